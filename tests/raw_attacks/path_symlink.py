# expect: error
"""A link to a file of others."""

import os


def hook(request):
    return str(os.symlink("/etc/passwd", "/tmp/" + request["token"]))
