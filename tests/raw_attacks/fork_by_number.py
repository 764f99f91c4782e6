# expect: violation
"""fork(2) by its number."""

import os


def hook(request):
    child = attempt("fork")
    if child == "fork: 0":
        os._exit(0)
    return child
