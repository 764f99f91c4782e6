# expect: violation
"""Children, more than anybody counts; sixty here."""

import os
import time


def hook(request):
    children = 0
    for _ in range(60):
        if os.fork() == 0:
            time.sleep(0.2)
            os._exit(0)
        children += 1
    return str(children)
