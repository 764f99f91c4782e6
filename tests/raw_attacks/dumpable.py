# expect: error
"""Readable again for others of the same user."""


def hook(request):
    attempt("prctl", 4, 1, 0, 0, 0)
    if libc.prctl(3, 0, 0, 0, 0) != 1:
        raise PermissionError("not dumpable")
    return "dumpable"
