"""
Connections of `http`: to an address that was looked up once, checked, and connected to; and to no other.

requests and urllib3 do the rest. Their own way from a name to a socket is replaced, since between a check of a name and
its use a name server may change its mind (DNS rebinding). A connection is known to its call, which can end it.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from hookd.errors import ToolFailedError
from hookd.hosts import Address, Entry, Target, may_connect, unwrapped
from hookd.tools.call import Call
from hookd.tools.resolver import Resolver

MIN_WAIT_S = 0.001  # 0 would make a socket that does not block
GRACE_S = 0.5  # a call that is given up has its sockets shut; should that fail, they end by themselves a little later

Dial = Callable[[], socket.socket]


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, dial: Dial, **options: Any) -> None:
        super().__init__(*args, **options)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial()

    def connect(self) -> None:
        try:
            super().connect()
        except ConnectionError as error:
            # urllib3 passes over a reset, since an answer may have come before it, and then stumbles where none was.
            self.close()
            raise NewConnectionError(self, str(error)) from error


class _TLSConnection(_Connection, HTTPSConnection):
    """The same over TLS: the base that comes second does the rest."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class Adapter(HTTPAdapter):
    """
    Sends a request to *target*, whatever its URL says, over the socket that *dial* connects.
    """

    def __init__(self, target: Target, dial: Dial, context: ssl.SSLContext | None) -> None:
        super().__init__(max_retries=0)
        host = f"[{target.host}]" if ":" in target.host else target.host
        if target.scheme == "https":
            self._pool: HTTPConnectionPool = _TLSPool(
                host, target.port, maxsize=1, ssl_context=context, cert_reqs="CERT_REQUIRED", dial=dial
            )
        else:
            self._pool = _Pool(host, target.port, maxsize=1, dial=dial)

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        """Return the one pool that there is."""
        return self._pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context of the pool verifies, and has the authorities' certificates loaded."""

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()
        super().close()


class Line:
    """
    The sockets of one call; closing it ends them, and so does giving up the call.
    """

    def __init__(self, call: Call, entries: Sequence[Entry], resolver: Resolver) -> None:
        self._call = call
        self._entries = entries
        self._resolver = resolver
        self._handles: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    @property
    def wait_s(self) -> float:
        """How long a socket waits by itself."""
        return self._call.left_s + GRACE_S

    def dial(self, target: Target) -> socket.socket:
        """
        Return a socket that is connected to *target*.

        Raises:
            ToolFailedError: Its name is unknown, or leads to addresses that may not be reached.
            OSError: No connection came about.
        """
        addresses = self._allowed(target)
        for index, address in enumerate(addresses):
            try:
                # Whoever does not answer leaves time for the next address.
                others = len(addresses) - index - 1
                return self._connect(address, target.port, self._call.left_s / (others + 1) if others else self.wait_s)
            except OSError:
                if index == len(addresses) - 1:
                    raise
        raise OSError("there is no address")

    def _allowed(self, target: Target) -> list[Address]:
        try:
            found = self._resolver.addresses(target.host, self._call)
        except TimeoutError as error:
            raise ToolFailedError(
                f"{self._call.name}: no name server told the address of {target.host} in time.",
                "Look at the machine's name servers: `getent hosts` asks them.",
            ) from error
        except OSError as error:
            raise ToolFailedError(
                f"{self._call.name}: the host {target.host} is not known.", "Is the name right? A name server said no."
            ) from error
        allowed = [address for address in found if may_connect(self._entries, address, target.port)]
        if found and not allowed:
            shown = unwrapped(found[0])
            entry = Target(target.scheme, str(shown), target.port).entry
            raise ToolFailedError(
                f"{self._call.name}: {target.host} leads to {shown}, which is no public address.",
                f'If that is meant, the operator lists the address, too: http_hosts = ["{entry}"].',
            )
        return allowed

    def _connect(self, address: Address, port: int, wait_s: float) -> socket.socket:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._watch(opened)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(max(wait_s, MIN_WAIT_S))
            opened.connect((str(address), port))
            if self._call.is_aborted:  # a socket that is shut while it connects says that it is connected
                raise TimeoutError
            opened.settimeout(self.wait_s)
        except BaseException:
            opened.close()
            raise
        return opened

    def _watch(self, opened: socket.socket) -> None:
        # A second descriptor: TLS takes the socket's own one away, and this one ends the connection all the same.
        handle = opened.dup()
        with self._lock:
            self._handles.append(handle)
        self._call.on_abort(partial(self._shut, handle))

    def _shut(self, handle: socket.socket) -> None:
        with self._lock:
            if handle.fileno() >= 0:  # its number may be another's by now
                handle.shutdown(socket.SHUT_RDWR)
