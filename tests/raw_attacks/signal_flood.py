# expect: violation
"""Signals for itself, a million a second: whoever traces the worker has no time for anybody else."""

import os


def hook(request):
    own = os.getpid()
    while True:
        libc.syscall(NUMBERS["tgkill"], own, own, 10)
