# expect: error
"""A device of one's own."""

import os
import stat


def hook(request):
    return str(os.mknod("/tmp/" + request["token"], 0o600 | stat.S_IFCHR, os.makedev(1, 3)))
