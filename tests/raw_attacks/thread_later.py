# expect: violation
"""A thread of faulthandler."""

import faulthandler


def hook(request):
    faulthandler.dump_traceback_later(60)
    return "waits"
