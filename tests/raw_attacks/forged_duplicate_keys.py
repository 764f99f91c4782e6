# expect: ok
"""The same key twice."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"print","t":"done","ok":1,"ok":2,"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
