# expect: error
"""statx(2)."""


def hook(request):
    found = ctypes.create_string_buffer(256)
    return attempt("statx", -100, b"/etc/passwd", 0, 0x7FF, found)
