# expect: error|violation
"""A process group of its own."""


def hook(request):
    return attempt("setpgid", 0, 0)
