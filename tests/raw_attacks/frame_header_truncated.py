# expect: timeout
"""Half a header."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, b'\0\0')
    while True:
        pass
