# expect: violation
"""The own number in the lower half of a register, something else above it."""

import os


def hook(request):
    own = os.getpid()
    return libc.syscall(ctypes.c_long(NUMBERS["tgkill"]), ctypes.c_long((1 << 32) | (own + 1)), ctypes.c_long(own + 1), ctypes.c_long(0))
