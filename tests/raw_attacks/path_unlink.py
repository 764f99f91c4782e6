# expect: error
"""The configuration removed."""

import os


def hook(request):
    return str(os.unlink(request["config"]))
