# expect: error
"""A timer that interrupts a thousand times a second."""

import contextlib
import signal


def hook(request):
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    while True:
        pass
