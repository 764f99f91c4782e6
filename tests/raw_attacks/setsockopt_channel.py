# expect: violation
"""The channel's buffer made larger than the broker's patience."""


def hook(request):
    value = ctypes.c_int(1 << 30)
    return attempt("setsockopt", 3, 1, 7, ctypes.byref(value), 4)
