# expect: error
"""The limit on file sizes raised."""

import resource


def hook(request):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    return "raised"
