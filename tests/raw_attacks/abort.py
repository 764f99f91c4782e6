# expect: crash
"""abort(3)."""

import os


def hook(request):
    os.abort()
