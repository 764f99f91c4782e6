# expect: error
"""A filter of its own that asks somebody else."""

import struct


def hook(request):
    code = ctypes.create_string_buffer(b"\x06\0\0\0\0\0\xff\x7f", 8)
    head = ctypes.create_string_buffer(16)
    struct.pack_into("HxxxxxxP", head, 0, 1, ctypes.addressof(code))
    return attempt("seccomp", 1, 8, head)
