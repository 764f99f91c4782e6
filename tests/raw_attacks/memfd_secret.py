# expect: violation
"""A file in memory that not even the kernel maps."""


def hook(request):
    return attempt("memfd_secret", 0)
