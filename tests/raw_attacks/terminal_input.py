# expect: error
"""Characters put into somebody's terminal."""


def hook(request):
    return attempt("ioctl", 0, 0x5412, b"x")
