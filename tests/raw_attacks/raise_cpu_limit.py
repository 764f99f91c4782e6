# expect: error
"""The limit on processor time raised."""

import resource


def hook(request):
    resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))
    return "raised"
