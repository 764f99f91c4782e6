# expect: error
"""getdents64(2) on whatever is open."""


def hook(request):
    found = ctypes.create_string_buffer(4096)
    return attempt("getdents64", 0, found, 4096)
