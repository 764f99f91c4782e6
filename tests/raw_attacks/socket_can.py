# expect: violation
"""A socket of family 29."""


def hook(request):
    return attempt("socket", 29, 3, 0)
