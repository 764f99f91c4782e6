# expect: violation
"""A number of a million digits."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":' + b'9' * 1_000_000 + b',"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
