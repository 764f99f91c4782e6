# expect: error
"""The installed program."""

import os
import sys


def hook(request):
    with open(sys.modules["hookd"].__file__, "rb") as file:
        return str(file.read(64))
