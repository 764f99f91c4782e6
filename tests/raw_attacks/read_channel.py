# expect: timeout
"""The broker's next message read in the worker's place."""

import os


def hook(request):
    return str(os.read(3, 100))
