# expect: violation
"""A file system mounted."""


def hook(request):
    return attempt("mount", 0, b"/nowhere", 0, 0, 0)
