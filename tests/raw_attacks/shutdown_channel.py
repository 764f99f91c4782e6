# expect: violation
"""The channel closed in one direction."""


def hook(request):
    return attempt("shutdown", 3, 1)
