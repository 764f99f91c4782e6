# expect: error
"""Attributes of a file."""

import os


def hook(request):
    return str(os.listxattr("/etc/passwd"))
