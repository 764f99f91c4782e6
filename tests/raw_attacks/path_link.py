# expect: error
"""A second name for the configuration."""

import os


def hook(request):
    return str(os.link(request["config"], "/tmp/" + request["token"]))
