# expect: violation
"""A grandchild in a session of its own that outlives everything; five seconds here."""

import os
import time


def hook(request):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(5)
        os._exit(0)
    return "left"
