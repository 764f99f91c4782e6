# expect: violation
"""The answer to another question."""

import os
import struct


def frame(body):
    return struct.pack(">I", len(body)) + body


def hook(request):
    os.write(3, frame(b'{"t":"checked","problems":[],"warnings":[],"libs":[],"settings_keys":[]}'))
    return "honest"
