# expect: error|violation
"""A child on a terminal of its own."""

import os
import pty


def hook(request):
    child, _ = pty.fork()
    if child == 0:
        os._exit(0)
    return str(child)
