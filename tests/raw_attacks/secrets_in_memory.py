# expect: error
"""Secrets of the broker in the worker's memory."""

import gc


def hook(request):
    found = [text for text in gc.get_objects() if type(text) is dict and "of the broker" in str(text.values())[:10000]]
    if not found:
        raise PermissionError("nothing of ours")
    return str(len(found))
