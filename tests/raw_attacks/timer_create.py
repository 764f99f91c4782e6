# expect: error
"""A timer of the kernel's that signals."""


def hook(request):
    timer = ctypes.c_int(0)
    return attempt("timer_create", 1, 0, ctypes.byref(timer))
