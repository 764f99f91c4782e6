# expect: error
"""The superuser's number."""

import os


def hook(request):
    if 0 not in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
        raise PermissionError("not the superuser")
    return "the superuser"
