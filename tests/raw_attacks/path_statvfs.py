# expect: error
"""How full the disk is."""

import os


def hook(request):
    return str(os.statvfs("/").f_bfree)
