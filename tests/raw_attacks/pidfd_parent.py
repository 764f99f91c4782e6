# expect: violation
"""A handle on the parent, to signal it or take its descriptors."""

import os


def hook(request):
    return attempt("pidfd_open", os.getppid(), 0)
