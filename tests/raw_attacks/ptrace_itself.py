# expect: violation
"""Traced by the parent, which then has to deal with every stop."""


def hook(request):
    return attempt("ptrace", 0, 0, 0, 0)
