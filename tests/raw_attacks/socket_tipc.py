# expect: violation
"""A socket of family 30."""


def hook(request):
    return attempt("socket", 30, 5, 0)
