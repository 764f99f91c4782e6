# expect: violation
"""A socket with an abstract name, which no directory guards."""

import socket


def hook(request):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind("\0" + request["token"])
        return "bound"
