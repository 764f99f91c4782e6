# expect: violation
"""A key in the kernel's memory."""


def hook(request):
    return attempt("add_key", b"user", b"hookd", b"x", 1, -2)
