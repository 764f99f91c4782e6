# expect: violation
"""SIGKILL for itself."""

import os


def hook(request):
    libc.syscall(NUMBERS["tgkill"], os.getpid(), os.getpid(), 9)
    return "survived"
