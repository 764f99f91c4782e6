# expect: ok
"""A loop for the interpreter's end, which never comes by itself."""

import atexit


def hook(request):
    def loop():
        while True:
            pass

    atexit.register(loop)
    return "registered"
