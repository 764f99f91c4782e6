# expect: violation
"""A socket of family 15."""


def hook(request):
    return attempt("socket", 15, 3, 0)
