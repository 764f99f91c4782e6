# expect: error
"""A library that is not loaded yet."""


def hook(request):
    return str(ctypes.CDLL("libresolv.so.2").res_init)
