# expect: error
"""The working directory's name."""


def hook(request):
    found = ctypes.create_string_buffer(4096)
    return attempt("getcwd", found, 4096) + str(found.value)
