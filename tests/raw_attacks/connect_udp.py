# expect: violation
"""A datagram to a name server."""

import socket


def hook(request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        return str(opened.sendto(b"x", ("127.0.0.1", 53)))
