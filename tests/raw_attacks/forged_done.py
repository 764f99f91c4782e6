# expect: ok
"""An answer of its own before the worker's: the first counts, the second ends the worker."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"done","ok":5,"cpu_s":0.1,"rss_kb":1000}'))
    return "honest"
