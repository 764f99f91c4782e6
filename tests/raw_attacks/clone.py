# expect: violation
"""clone(2) by its number, as a fork."""

import os


def hook(request):
    child = attempt("clone", 17, 0, 0, 0, 0)
    if child == "clone: 0":
        os._exit(0)
    return child
