# expect: violation
"""A key, for which the kernel starts a program."""


def hook(request):
    return attempt("request_key", b"user", b"hookd", 0, -2)
