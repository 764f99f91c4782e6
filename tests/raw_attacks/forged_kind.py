# expect: violation
"""A message of no known kind."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"http","url":"http://127.0.0.1"}'))
    return "honest"
