# expect: violation
"""What two processes share."""

import os


def hook(request):
    return attempt("kcmp", request["broker"], os.getpid(), 0, 0, 0)
