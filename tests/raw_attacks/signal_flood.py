# expect: timeout|crash|violation
"""Signals for itself, a million a second: whoever traces the worker has no time for anybody else."""

import os
import signal


def hook(request):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    own = os.getpid()
    while True:
        libc.syscall(NUMBERS["tgkill"], own, own, 10)
