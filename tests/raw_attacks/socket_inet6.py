# expect: violation
"""A socket of family 10."""


def hook(request):
    return attempt("socket", 10, 1, 0)
