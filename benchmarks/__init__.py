"""
How many requests a second hookd answers, beside what one would take in its place: `python -m benchmarks`.

In one run, on loopback, the same bytes go to hookd with everything switched on, to a Flask view that answers a
constant, to functions-framework and to nginx with php-fpm, the last two with the same hook. `peers.py` is the list of
them, `servers.py` starts and stops their processes, `wrk.py` drives the load, `table.py` does the sums.
"""
