# expect: violation
"""A handler for the filter's signal, to go on after a forbidden call."""

import contextlib
import signal


def hook(request):
    with contextlib.suppress(OSError):
        signal.signal(signal.SIGSYS, lambda *_: None)
    return attempt("socket", 2, 1, 0)
