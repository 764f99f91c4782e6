# expect: violation
"""The kernel's key rings."""


def hook(request):
    return attempt("keyctl", 0, -3, 0, 0, 0)
