# expect: error|violation
"""A program at the other end of a pipe."""

import os


def hook(request):
    with os.popen("true") as pipe:
        return str(pipe.read())
