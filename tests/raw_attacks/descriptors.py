# expect: error
"""What is open beside the channel."""

import os


def hook(request):
    found = []
    for number in range(4, 1024):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    if not found:
        raise PermissionError("nothing else")
    return str(found)
