# expect: error
"""Every process of a group as who is signalled for the channel."""

import fcntl


def hook(request):
    return str(fcntl.fcntl(3, fcntl.F_SETOWN, -1))
