# expect: error
"""A pipe with a name."""

import os


def hook(request):
    return str(os.mkfifo("/tmp/" + request["token"]))
