# expect: violation
"""A growing stack made executable."""


def hook(request):
    local = ctypes.c_int(0)
    page = ctypes.addressof(local) & ~4095
    return attempt("mprotect", page, 4096, 5 | 0x01000000)
