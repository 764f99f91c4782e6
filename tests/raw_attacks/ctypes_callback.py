# expect: violation|error|memory|crash
"""A callback of ctypes, which is machine code made at run time."""


def hook(request):
    return str(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1)())
