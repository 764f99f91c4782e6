# expect: error
"""The configuration emptied."""

import os


def hook(request):
    return str(os.truncate(request["config"], 0))
