# expect: error
"""Whether a file exists, asked by access(2)."""

import os


def hook(request):
    return str(os.access("/etc/passwd", os.F_OK) or 1 / 0)
