# expect: violation
"""Accounting to a file."""


def hook(request):
    return attempt("acct", b"/nowhere/x")
