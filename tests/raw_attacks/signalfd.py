# expect: error
"""Signals as a descriptor."""


def hook(request):
    return attempt("signalfd4", -1, 0, 8, 0)
