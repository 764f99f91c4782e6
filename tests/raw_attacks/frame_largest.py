# expect: ok
"""The largest frame that is allowed."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    data = memoryview(frame(b'{"t":"done","cpu_s":0.1,"rss_kb":1,"ok":"' + b"x" * 4_194_200 + b'"}'))
    while data:
        data = data[os.write(3, data):]
    return "honest"
