# expect: violation
"""clone(2) with a user namespace of its own."""

import os


def hook(request):
    child = attempt("clone", 0x10000000 | 17, 0, 0, 0, 0)
    if child == "clone: 0":
        os._exit(0)
    return child
