# expect: ok|violation
"""Two answers of its own."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":5,"cpu_s":0.1,"rss_kb":1000}') * 2)
    return "honest"
