# expect: violation
"""Half a character."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":"\\ud800","cpu_s":0.1,"rss_kb":1}'))
    return "honest"
