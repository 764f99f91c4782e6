# expect: violation
"""Machine code written, then made executable."""


def hook(request):
    libc.mmap.restype = ctypes.c_void_p
    page = libc.mmap(None, 4096, 3, 0x22, -1, 0)
    return attempt("mprotect", page, 4096, 5)
