# expect: violation
"""The same by pkey_mprotect(2)."""


def hook(request):
    libc.mmap.restype = ctypes.c_void_p
    page = libc.mmap(None, 4096, 3, 0x22, -1, 0)
    return attempt("pkey_mprotect", page, 4096, 5, -1)
