# expect: violation
"""A restart, with the wrong magic number."""


def hook(request):
    return attempt("reboot", 0, 0, 0, 0)
