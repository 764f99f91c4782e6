# expect: violation
"""A thread, which no deadline of the language ends."""

import threading


def hook(request):
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return "ran"
