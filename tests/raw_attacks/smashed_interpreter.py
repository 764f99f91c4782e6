# expect: crash
"""The interpreter's own objects overwritten."""


def hook(request):
    ctypes.memset(id(int), 0x41, 400)
    return str(int("5") + 1)
