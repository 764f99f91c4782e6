# expect: error
"""A header in an error's text."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","error":{"code":"error","file":"f","line":1,"message":"a\\r\\nSet-Cookie: x","remedy":""},"cpu_s":0.1,"rss_kb":1}'))
    return "honest"
