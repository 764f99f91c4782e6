# expect: error
"""The zygote's limits."""

import os


def hook(request):
    found = ctypes.create_string_buffer(16)
    return attempt("prlimit64", os.getppid(), 7, 0, found)
