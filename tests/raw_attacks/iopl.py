# expect: violation
"""All ports of the hardware."""


def hook(request):
    return attempt("iopl", 3)
