# expect: violation
"""Shared memory mapped executable."""


def hook(request):
    return attempt("shmat", 0, 0, 0o100000)
