# expect: error
"""The configuration renamed."""

import os


def hook(request):
    return str(os.rename(request["config"], request["config"] + "x"))
