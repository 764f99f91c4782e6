# expect: error
"""Addresses inside another process."""


def hook(request):
    head, size = ctypes.c_long(0), ctypes.c_long(0)
    return attempt("get_robust_list", request["broker"], ctypes.byref(head), ctypes.byref(size))
