# expect: violation
"""Two sockets for each other."""


def hook(request):
    pair = (ctypes.c_int * 2)()
    return attempt("socketpair", 1, 1, 0, pair)
