# expect: error
"""openat(2) relative to nothing."""


def hook(request):
    return attempt("openat", -100, b"/etc/passwd", 0, 0)
