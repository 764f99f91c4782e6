# expect: violation
"""Lists in lists, as deep as the parser takes."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":' + b'[' * 1000 + b']' * 1000 + b',"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
