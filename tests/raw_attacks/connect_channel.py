# expect: violation
"""The channel connected anew."""


def hook(request):
    return attempt("connect", 3, b"\1\0/run/x", 10)
