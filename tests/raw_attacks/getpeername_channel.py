# expect: violation
"""Who is at the other end."""


def hook(request):
    name, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
    return attempt("getpeername", 3, name, ctypes.byref(size))
