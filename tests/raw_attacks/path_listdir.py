# expect: error
"""What is in the root directory."""

import os


def hook(request):
    return str(os.listdir("/"))
