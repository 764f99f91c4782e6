# expect: violation
"""tkill(2) at the parent."""

import os


def hook(request):
    return attempt("tkill", os.getppid(), 0)
