# expect: timeout
"""A frame whose end never comes."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, struct.pack('>I', 1000) + b'x')
    while True:
        pass
