# expect: violation
"""The filter's signal ignored and blocked."""

import contextlib
import signal


def hook(request):
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGSYS, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSYS])
    return attempt("fork")
