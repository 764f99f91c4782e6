# expect: error
"""faccessat2(2)."""


def hook(request):
    return attempt("faccessat2", -100, b"/etc/passwd", 0, 0)
