# expect: violation
"""Another program in the worker's place."""

import os


def hook(request):
    os.execve("/bin/true", ["true"], {})
