# expect: error
"""The same by the parent's number as the worker sees it."""

import os
import sys


def hook(request):
    with open(f"/proc/{os.getppid()}/maps", "rb") as file:
        return str(file.read(64))
