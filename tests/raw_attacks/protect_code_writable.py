# expect: violation
"""The C library's code made writable, executable as it is."""


def hook(request):
    code = ctypes.cast(libc.getpid, ctypes.c_void_p).value & ~4095
    told = attempt("mprotect", code, 4096, 7)
    return told
