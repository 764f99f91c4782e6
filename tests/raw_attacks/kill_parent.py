# expect: violation
"""kill(2) at the parent by the number that the worker sees; signal 0 only asks whether it could."""

import os


def hook(request):
    return attempt("kill", os.getppid(), 0)
