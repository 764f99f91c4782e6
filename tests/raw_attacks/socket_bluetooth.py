# expect: violation
"""A socket of family 31."""


def hook(request):
    return attempt("socket", 31, 3, 0)
