# expect: error
"""Another working directory."""

import os


def hook(request):
    os.chdir("/etc")
    return "changed"
