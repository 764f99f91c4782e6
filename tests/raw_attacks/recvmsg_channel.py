# expect: violation
"""Descriptors that come with a message."""


def hook(request):
    return attempt("recvmsg", 3, ctypes.create_string_buffer(56), 0x40)
