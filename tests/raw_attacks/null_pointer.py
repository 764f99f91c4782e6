# expect: crash
"""A null pointer."""


def hook(request):
    return str(ctypes.string_at(0))
