# expect: violation
"""A socket of family 17."""


def hook(request):
    return attempt("socket", 17, 3, 0)
