# expect: error
"""More descriptors than the limit."""

import resource


def hook(request):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    return "raised"
