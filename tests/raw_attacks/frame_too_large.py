# expect: violation
"""A frame one byte larger than is allowed."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    data = memoryview(struct.pack(">I", 4 * 1024 * 1024 + 1) + b" " * 100)
    os.write(3, data)
    while True:
        pass
