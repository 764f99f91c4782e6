"""
Host names to addresses, without waiting longer than the call may.

The system's resolver cannot be interrupted: a name server that is silent keeps a thread for half a minute. So look-ups
have threads of their own, one at a time for a name, and whoever waits for one stops at its deadline.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from hookd.hosts import Address
from hookd.tools.call import Call
from hookd.tools.threads import Threads

THREADS_MAX = 8

LookUp = Callable[[str], Sequence[str]]


class Resolver:
    """
    Looks names up.

    Args:
        look_up: Returns the addresses of a name, or raises OSError.
    """

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up or _system
        self._threads = Threads("resolver", THREADS_MAX)
        self._lock = threading.Lock()
        self._pending: dict[str, _LookUp] = {}

    def addresses(self, host: str, call: Call) -> list[Address]:
        """
        Return the addresses of *host*, which may be one itself.

        Raises:
            OSError: There is no such name, or nobody to ask.
            TimeoutError: Nobody answered before the call's deadline.
        """
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        found = self._begun(host)
        if not found.is_done.wait(call.left_s):
            raise TimeoutError
        if found.error:
            raise found.error
        return [ipaddress.ip_address(text.partition("%")[0]) for text in found.addresses]

    def close(self) -> None:
        """
        End the threads that wait for nothing.
        """
        self._threads.close(0.1)

    def _begun(self, host: str) -> "_LookUp":
        with self._lock:
            found = self._pending.get(host)
            if found is None:
                found = self._pending[host] = _LookUp()
                self._threads.submit(lambda: self._do(host, found))
            return found

    def _do(self, host: str, found: "_LookUp") -> None:
        try:
            found.addresses = list(self._look_up(host))
        except (OSError, UnicodeError) as error:
            found.error = error if isinstance(error, OSError) else OSError(str(error))
        finally:
            with self._lock:
                del self._pending[host]
            found.is_done.set()


class _LookUp:
    """One look-up, for all who wait for it."""

    def __init__(self) -> None:
        self.is_done = threading.Event()
        self.addresses: list[str] = []
        self.error: OSError | None = None


def _system(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
