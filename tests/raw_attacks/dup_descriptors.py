# expect: error
"""The same by dup(2)."""

import os


def hook(request):
    while True:
        os.dup(3)
