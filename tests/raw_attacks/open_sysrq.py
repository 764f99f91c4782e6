# expect: error
"""The file that commands the kernel, opened only."""

import os


def hook(request):
    return str(os.open("/proc/sysrq-trigger", os.O_WRONLY))
