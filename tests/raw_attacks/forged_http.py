# expect: violation
"""HTTP in place of a frame."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, b'GET / HTTP/1.1\r\n\r\n')
    return "honest"
