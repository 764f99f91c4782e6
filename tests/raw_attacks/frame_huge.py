# expect: violation
"""A frame that announces four gigabytes."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, b'\xff\xff\xff\xff')
    while True:
        pass
