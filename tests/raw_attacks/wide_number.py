# expect: violation
"""A number whose upper half is ignored."""


def hook(request):
    return str(libc.syscall(ctypes.c_long(0x1_0000_0000 | NUMBERS["socket"]), 2, 1, 0))
