# expect: violation
"""A kernel module from a file."""


def hook(request):
    return attempt("finit_module", -1, b"", 0)
