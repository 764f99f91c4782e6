# expect: error
"""A directory."""

import os


def hook(request):
    return str(os.mkdir("/tmp/" + request["token"]))
