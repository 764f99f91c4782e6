# expect: memory|error|violation
"""A gigabyte by malloc(3)."""


def hook(request):
    libc.malloc.restype = ctypes.c_void_p
    if not libc.malloc(ctypes.c_size_t(1 << 30)):
        raise MemoryError
    return "got"
