# expect: violation
"""An open descriptor executed."""


def hook(request):
    return attempt("execveat", 0, b"", 0, 0, 0x1000)
