# expect: error
"""Where a link leads."""

import os


def hook(request):
    return str(os.readlink("/proc/self/exe"))
