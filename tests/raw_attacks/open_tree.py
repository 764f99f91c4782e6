# expect: violation
"""A mount as a descriptor."""


def hook(request):
    return attempt("open_tree", -1, b"/nowhere", 0)
