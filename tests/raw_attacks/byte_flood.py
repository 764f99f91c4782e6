# expect: violation
"""Bytes without end."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    while True:
        os.write(3, b"\xff" * 65_536)
