# expect: violation
"""An error that only the broker gives."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","error":{"code":"timeout","file":"f","line":1,"message":"m","remedy":""},"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
