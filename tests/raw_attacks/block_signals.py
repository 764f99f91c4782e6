# expect: timeout
"""Every signal blocked that can be."""

import signal


def hook(request):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass
