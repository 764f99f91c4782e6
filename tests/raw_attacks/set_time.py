# expect: violation
"""The machine's time."""


def hook(request):
    return attempt("clock_settime", -1, 0)
