# expect: violation
"""Every capability."""


def hook(request):
    head = (ctypes.c_uint * 2)(0x20080522, 0)
    data = (ctypes.c_uint * 6)(*[0xFFFFFFFF] * 6)
    return attempt("capset", head, data)
