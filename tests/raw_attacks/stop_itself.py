# expect: violation
"""Stopped, so that no deadline of its own ever strikes."""

import os


def hook(request):
    libc.syscall(NUMBERS["tgkill"], os.getpid(), os.getpid(), 19)
    return "continued"
