"""
What the zygote's start hands to the process that goes on: descriptors, and what the probe has to know of the outside.
"""

import socket
from typing import NamedTuple


class Surroundings(NamedTuple):  # no dataclass, see `jail.Lock`
    """
    What the process that forks workers starts from.

    Attributes:
        control_fd: The broker's SOCK_SEQPACKET.
        nothing_fd: /dev/null, opened before the root became empty.
        listener_fd: A listening socket outside, open until the probe is over.
        broker: The broker's process id, seen from outside.
        address: Where the listener is.
        uid: The user that workers are to be.
        reasons: Namespace → "" or why it is not in force.
    """

    control_fd: int
    nothing_fd: int
    listener_fd: int
    broker: int
    address: bytes
    uid: int
    reasons: dict[str, str]


def listen() -> tuple[int, bytes]:
    """
    Return a socket that listens outside of every file system, and its address.

    An attempt to reach it tells whether the network is another one: an address without a listener refuses anybody.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        opened.bind("")  # the kernel chooses an abstract name
        opened.listen(1)
        address: bytes = opened.getsockname()
        return opened.detach(), address
