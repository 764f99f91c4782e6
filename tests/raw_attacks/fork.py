# expect: violation
"""A child."""

import os


def hook(request):
    child = os.fork()
    if child == 0:
        os._exit(0)
    return str(child)
