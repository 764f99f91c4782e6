# expect: violation
"""Figures that are none."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":5,"cpu_s":"1","rss_kb":true}'))
    return "honest"
