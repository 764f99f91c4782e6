# expect: crash
"""A write to where nothing is."""


def hook(request):
    ctypes.memset(0xDEAD0000, 1, 8)
    return "written"
