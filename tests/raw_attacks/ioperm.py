# expect: violation
"""Ports of the hardware."""


def hook(request):
    return attempt("ioperm", 0, 1, 1)
