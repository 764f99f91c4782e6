# expect: error
"""What the environment tells."""

import os


def hook(request):
    found = set(os.environ) - {"LC_ALL", "TZ", "LD_LIBRARY_PATH", "LC_CTYPE"}
    if not found:
        raise PermissionError("nothing of ours")
    return str(found)
