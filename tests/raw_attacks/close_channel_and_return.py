# expect: crash
"""The channel closed, then an answer."""

import os


def hook(request):
    os.close(3)
    return "lost"
