# expect: violation
"""A number that overflows."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":1e999999,"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
