# expect: violation
"""A mount namespace."""


def hook(request):
    return attempt("unshare", 0x00020000)
