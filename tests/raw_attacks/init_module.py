# expect: violation
"""A kernel module."""


def hook(request):
    return attempt("init_module", 0, 0, 0)
