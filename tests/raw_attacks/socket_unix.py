# expect: violation
"""A socket of family 1."""


def hook(request):
    return attempt("socket", 1, 1, 0)
