# expect: violation
"""A file in memory, to fill and execute."""


def hook(request):
    return attempt("memfd_create", b"x", 0)
