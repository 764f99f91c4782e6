# expect: ok
"""Figures beyond all numbers."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":5,"cpu_s":1e308,"rss_kb":9223372036854775807}'))
    return "honest"
