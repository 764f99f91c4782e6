# expect: violation
"""Swap space."""


def hook(request):
    return attempt("swapon", b"/nowhere", 0)
