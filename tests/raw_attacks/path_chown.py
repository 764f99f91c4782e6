# expect: error
"""The configuration given away."""

import os


def hook(request):
    return str(os.chown(request["config"], 65534, 65534))
