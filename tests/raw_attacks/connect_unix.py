# expect: violation
"""The system's bus."""

import socket


def hook(request):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.connect("/run/dbus/system_bus_socket")
        return "connected"
