# expect: violation
"""A port for others to come in by."""

import socket


def hook(request):
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return str(opened.getsockname())
