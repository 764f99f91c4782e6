# expect: violation
"""Bytes that are no text."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'\xff\xfe'))
    return "honest"
