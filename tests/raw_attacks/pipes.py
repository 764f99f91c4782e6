# expect: error
"""Pipes until there are no more."""

import os


def hook(request):
    while True:
        os.pipe()
