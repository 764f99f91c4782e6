# expect: error
"""tgkill(2) with the own group and a foreign thread, which the kernel itself does not find."""

import os


def hook(request):
    told = attempt("tgkill", os.getpid(), request["zygote"], 0)
    if told.endswith("ESRCH"):
        raise PermissionError("nobody there")
    return told
