# expect: violation
"""A raw socket."""


def hook(request):
    return attempt("socket", 2, 3, 1)
