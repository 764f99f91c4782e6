# expect: timeout
"""SIGABRT without end, which is allowed, but blocked."""

import os
import signal


def hook(request):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGABRT])
    own = os.getpid()
    while True:
        libc.syscall(NUMBERS["tgkill"], own, own, 6)
