# expect: timeout|ok|crash
"""A worker that writes no more frames."""

import sys


def hook(request):
    sys.modules["hookd.sandbox.wire"].write = lambda *_: None
    return "mute"
