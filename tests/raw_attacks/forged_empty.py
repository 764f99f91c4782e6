# expect: violation
"""A frame with nothing in it."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b''))
    return "honest"
