# expect: error
"""Which signal that is."""

import fcntl


def hook(request):
    return str(fcntl.fcntl(3, 10, 9))
