# expect: error
"""The channel made non-blocking under the worker's feet."""

import os


def hook(request):
    os.set_blocking(3, False)
    return "honest"
