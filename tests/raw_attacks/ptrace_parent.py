# expect: violation
"""The zygote traced."""

import os


def hook(request):
    return attempt("ptrace", 0x4206, os.getppid(), 0, 0)
