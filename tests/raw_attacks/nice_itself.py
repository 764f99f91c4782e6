# expect: error
"""A higher priority for itself."""


def hook(request):
    return attempt("setpriority", 0, 0, -20)
