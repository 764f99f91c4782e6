# expect: ok
"""Every later answer of this worker forged."""

import sys


def hook(request):
    sys.modules["hookd.sandbox.worker"].execute = lambda *_: {"ok": "poison"}
    return "poisoned"
