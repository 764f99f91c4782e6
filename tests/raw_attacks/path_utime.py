# expect: error
"""The configuration newer than it is."""

import os


def hook(request):
    return str(os.utime(request["config"]))
