# expect: violation
"""rt_sigqueueinfo(2) at the parent."""

import os


def hook(request):
    news = ctypes.create_string_buffer(128)
    return attempt("rt_sigqueueinfo", os.getppid(), 0, news)
