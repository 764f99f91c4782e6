# expect: violation
"""A connection to the machine itself."""

import socket


def hook(request):
    socket.create_connection(("127.0.0.1", 9), timeout=0.2)
    return "connected"
