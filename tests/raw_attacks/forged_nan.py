# expect: violation
"""Not a number."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":NaN,"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
