# expect: violation
"""The speed of the machine's time."""


def hook(request):
    return attempt("clock_adjtime", -1, 0)
