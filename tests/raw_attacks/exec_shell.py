# expect: violation
"""A shell, by system(3)."""

import os


def hook(request):
    return str(os.system("true"))
