# expect: violation
"""A look at the broker's next message."""


def hook(request):
    return attempt("recvfrom", 3, ctypes.create_string_buffer(64), 64, 0x42, 0, 0)
