# expect: violation
"""A file by its number, past all directories."""


def hook(request):
    handle = ctypes.create_string_buffer(16)
    return attempt("open_by_handle_at", -100, handle, 0)
