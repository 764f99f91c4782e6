# expect: crash
"""The process ended."""

import os


def hook(request):
    os._exit(0)
