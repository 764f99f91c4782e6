# expect: violation
"""JSON that is no message."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'null'))
    return "honest"
