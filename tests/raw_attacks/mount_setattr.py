# expect: violation
"""A mount made writable."""


def hook(request):
    return attempt("mount_setattr", -1, b"/nowhere", 0, 0, 0)
