# expect: timeout|ok
"""A loop at the worker's next function call."""

import sys


def hook(request):
    def loop(*_):
        while True:
            pass

    sys.setprofile(loop)
    return "set"
