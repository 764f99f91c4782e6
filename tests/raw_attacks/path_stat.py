# expect: error
"""Whether and how large a file is."""

import os


def hook(request):
    return str(os.stat("/etc/passwd").st_size)
