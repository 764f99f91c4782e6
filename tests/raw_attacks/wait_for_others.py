# expect: error
"""Reaping what is not the worker's."""


def hook(request):
    return attempt("wait4", -1, 0, 1, 0)
