# expect: violation
"""A descriptor of another process."""


def hook(request):
    return attempt("pidfd_getfd", 3, 0, 0)
