# expect: crash
"""The channel closed, then no end."""

import os


def hook(request):
    os.close(3)
    while True:
        pass
