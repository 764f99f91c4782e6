# expect: violation
"""posix_spawn(3)."""

import os


def hook(request):
    return str(os.posix_spawn("/bin/true", ["true"], {}))
