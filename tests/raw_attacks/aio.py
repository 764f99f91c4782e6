# expect: violation
"""Asynchronous reads and writes."""


def hook(request):
    ring = ctypes.c_ulong(0)
    return attempt("io_setup", 8, ctypes.byref(ring))
