# expect: violation
"""A socket of family 16."""


def hook(request):
    return attempt("socket", 16, 3, 0)
