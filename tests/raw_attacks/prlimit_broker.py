# expect: error
"""The broker's limits."""


def hook(request):
    found = ctypes.create_string_buffer(16)
    return attempt("prlimit64", request["broker"], 7, 0, found)
