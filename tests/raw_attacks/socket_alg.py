# expect: violation
"""A socket of family 38."""


def hook(request):
    return attempt("socket", 38, 5, 0)
