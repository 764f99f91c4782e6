# expect: error|violation
"""A pool of threads."""

import concurrent.futures


def hook(request):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return str(pool.submit(int).result())
