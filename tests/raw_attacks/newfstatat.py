# expect: error
"""newfstatat(2)."""


def hook(request):
    found = ctypes.create_string_buffer(256)
    return attempt("newfstatat", -100, b"/etc/passwd", found, 0)
