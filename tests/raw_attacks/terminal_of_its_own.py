# expect: error
"""The terminal of the session."""

import os


def hook(request):
    return str(os.open("/dev/tty", os.O_RDWR))
