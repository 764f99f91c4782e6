# expect: error
"""The same by ioctl(2)."""


def hook(request):
    owner = ctypes.c_int(request["broker"])
    return attempt("ioctl", 3, 0x8901, ctypes.byref(owner))
