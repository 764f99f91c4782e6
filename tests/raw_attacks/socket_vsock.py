# expect: violation
"""A socket of family 40."""


def hook(request):
    return attempt("socket", 40, 1, 0)
