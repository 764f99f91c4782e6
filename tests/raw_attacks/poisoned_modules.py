# expect: ok|crash|violation|timeout
"""Every module gone."""

import sys


def hook(request):
    sys.modules.clear()
    return "cleared"
