# expect: violation
"""tgkill(2) with the own group and a foreign thread."""

import os


def hook(request):
    return attempt("tgkill", os.getpid(), request["zygote"], 0)
