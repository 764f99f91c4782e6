# expect: error
"""A process group of its own."""


def hook(request):
    return attempt("setpgid", 0, 0)
