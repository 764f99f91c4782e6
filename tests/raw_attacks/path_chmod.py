# expect: error
"""The configuration writable for all."""

import os


def hook(request):
    return str(os.chmod(request["config"], 0o777))
