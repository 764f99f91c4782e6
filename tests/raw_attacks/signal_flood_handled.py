# expect: timeout|crash|violation
"""The same with a handler."""

import os
import signal


def hook(request):
    signal.signal(signal.SIGUSR1, lambda *_: None)
    own = os.getpid()
    while True:
        libc.syscall(NUMBERS["tgkill"], own, own, 10)
