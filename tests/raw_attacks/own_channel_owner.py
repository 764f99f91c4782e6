# expect: error
"""The broker as who is signalled for the channel."""

import fcntl


def hook(request):
    return str(fcntl.fcntl(3, fcntl.F_SETOWN, request["broker"]))
