# expect: violation
"""A socket of family 44."""


def hook(request):
    return attempt("socket", 44, 3, 0)
