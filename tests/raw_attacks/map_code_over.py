# expect: crash|error|violation|ok
"""The C library's code unmapped: only the worker dies of it."""


def hook(request):
    code = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
    libc.munmap(ctypes.c_void_p(code), 4096)
    return str(libc.getpid())
