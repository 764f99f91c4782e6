# expect: timeout
"""A loop at the next garbage collection."""

import gc


def hook(request):
    def loop(phase, info):
        while True:
            pass

    gc.callbacks.append(loop)
    return "registered"
