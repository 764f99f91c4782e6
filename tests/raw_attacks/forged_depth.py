# expect: violation
"""Lists in lists, deeper than any stack."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":' + b'[' * 100_000 + b']' * 100_000 + b',"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
