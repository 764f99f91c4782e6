# expect: error
"""The limit on memory raised, then a gigabyte."""

import resource


def hook(request):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return len(bytearray(1 << 30))
