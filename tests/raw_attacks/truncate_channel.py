# expect: error
"""ftruncate(2) on what is open."""


def hook(request):
    return attempt("ftruncate", 0, 0)
