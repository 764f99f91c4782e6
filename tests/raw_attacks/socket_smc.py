# expect: violation
"""A socket of family 43."""


def hook(request):
    return attempt("socket", 43, 1, 0)
