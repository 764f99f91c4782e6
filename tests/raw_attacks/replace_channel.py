# expect: error
"""Another descriptor in the channel's place."""

import os


def hook(request):
    os.dup2(0, 3)
    return "lost"
