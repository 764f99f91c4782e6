# expect: violation
"""A caller on the channel."""


def hook(request):
    return attempt("accept4", 3, 0, 0, 0)
