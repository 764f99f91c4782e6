# expect: error|violation
"""A name looked up: files, sockets and all."""

import socket


def hook(request):
    return str(socket.getaddrinfo("localhost", 80))
