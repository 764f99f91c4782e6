# expect: violation
"""A datagram socket."""


def hook(request):
    return attempt("socket", 2, 2, 0)
