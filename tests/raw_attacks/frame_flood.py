# expect: ok|violation
"""Answers without end."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    data = frame(b'{"t":"done","ok":1,"cpu_s":0.1,"rss_kb":1}') * 100
    while True:
        os.write(3, data)
