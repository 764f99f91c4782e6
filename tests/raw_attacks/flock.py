# expect: error
"""A lock on what is open."""


def hook(request):
    return attempt("flock", 0, 2)
