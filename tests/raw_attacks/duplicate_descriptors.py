# expect: error
"""Descriptors until there are no more."""

import fcntl


def hook(request):
    copies = 0
    while True:
        fcntl.fcntl(3, fcntl.F_DUPFD, 4)
        copies += 1
