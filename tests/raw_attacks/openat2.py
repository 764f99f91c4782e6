# expect: error
"""openat2(2), which older filters do not know."""


def hook(request):
    how = ctypes.create_string_buffer(24)
    return attempt("openat2", -100, b"/etc/passwd", how, 24)
