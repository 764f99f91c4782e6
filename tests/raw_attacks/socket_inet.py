# expect: violation
"""A socket of family 2."""


def hook(request):
    return attempt("socket", 2, 1, 0)
