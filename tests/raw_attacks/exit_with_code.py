# expect: crash
"""The process ended with a code."""

import os


def hook(request):
    os._exit(77)
