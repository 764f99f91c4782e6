# expect: violation
"""tgkill(2), which an allow-list for abort(3) lets through, at the parent."""

import os


def hook(request):
    return attempt("tgkill", os.getppid(), os.getppid(), 0)
