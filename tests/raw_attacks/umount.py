# expect: violation
"""A file system unmounted."""


def hook(request):
    return attempt("umount2", b"/nowhere", 0)
