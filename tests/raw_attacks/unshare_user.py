# expect: violation
"""A user namespace: root in a world of its own."""


def hook(request):
    return attempt("unshare", 0x10000000)
