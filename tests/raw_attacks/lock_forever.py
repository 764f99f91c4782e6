# expect: timeout|error|violation
"""A lock that is never released."""

import threading


def hook(request):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
    return "released"
