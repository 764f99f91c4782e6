# expect: violation|timeout
"""Frames of four megabytes of blanks."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    data = frame(b" " * 4_194_304)
    while True:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(3, rest):]
