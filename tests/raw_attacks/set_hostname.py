# expect: violation
"""The machine's name."""


def hook(request):
    return attempt("sethostname", b"x", -1)
