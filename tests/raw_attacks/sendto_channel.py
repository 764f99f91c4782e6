# expect: violation
"""Out-of-band data on the channel."""


def hook(request):
    return attempt("sendto", 3, b"x", 1, 0, 0, 0)
