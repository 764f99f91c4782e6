# expect: violation
"""A death that looks like the filter's."""

import os


def hook(request):
    libc.syscall(NUMBERS["tgkill"], os.getpid(), os.getpid(), 31)
    raise PermissionError("survived")
