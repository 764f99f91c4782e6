"""
One exchange with a portal or its authorization server: bounded in time and size, and never redirected.

`requests` alone bounds the wait for each piece of an answer, not for the whole; and it would follow a redirect, turning
the POST into a GET and carrying tokens to wherever somebody says. Here the answer is read in pieces until the deadline,
up to a size, and a redirect is an answer like any other. Connections are kept: half of a short call to a portal is its
TLS handshake. Whoever waits no more has the socket shut, by way of the thread that uses it.
"""

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from hookd import __version__, documents
from hookd.documents import Json
from hookd.errors import NotJsonError, PortalError
from hookd.portal.patience import Patience

MAX_ANSWER_BYTES = 4 * 1024 * 1024  # what a frame to a worker may carry
CONNECT_S = 5.0
MIN_WAIT_S = 0.001  # 0 would mean for ever
PIECE_BYTES = 65_536
KEPT_CONNECTIONS = 8  # to one host; more are made when they are needed, and not kept


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back.

    Attributes:
        location: Where a redirect points; "" where there is none.
        document: The JSON in the body; None where it is none.
    """

    status: int
    location: str
    document: Json


class Client:
    """
    The connections of one process; any thread may use them.
    """

    def __init__(self) -> None:
        self._current = threading.local()
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies of the environment, no .netrc: tokens go where they belong
        self._session.headers["User-Agent"] = f"hookd/{__version__}"
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # nobody's session is kept
        adapter = _Adapter(self._current)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def get(self, url: str, parameters: Mapping[str, str], patience: Patience) -> Answer:
        """
        Ask *url* with *parameters* in its query.

        Raises:
            PortalError: There was no answer in time, or none that is bounded JSON.
        """
        return self._exchange("GET", url, patience, params=parameters)

    def post(self, url: str, document: Json, patience: Patience) -> Answer:
        """
        Send *document* to *url* as JSON.

        Raises:
            PortalError: There was no answer in time, or none that is bounded JSON.
        """
        body = documents.dump(document)
        return self._exchange("POST", url, patience, data=body, headers={"Content-Type": "application/json"})

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _exchange(self, method: str, url: str, patience: Patience, **options: Any) -> Answer:
        host = urlsplit(url).netloc.rpartition("@")[2]
        exchange = _Exchange()
        self._current.exchange = exchange
        patience.on_abort(exchange.shut)
        wait_s = max(patience.left_s, MIN_WAIT_S)
        try:
            with self._session.request(
                method, url, timeout=(min(CONNECT_S, wait_s), wait_s), allow_redirects=False, stream=True, **options
            ) as response:
                body = _read(response, host, patience)
                location = response.headers.get("Location", "") if response.is_redirect else ""
                return Answer(response.status_code, location, _document(body))
        except (requests.RequestException, OSError, ValueError) as error:
            # Without its cause, whose text has the address, and in it a token or the app's secret.
            raise _unreachable(host, error, patience) from None
        finally:
            exchange.end()
            del self._current.exchange


def _read(response: requests.Response, host: str, patience: Patience) -> bytes:
    parts, size = [], 0
    for part in response.iter_content(PIECE_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise PortalError(
                f"{host}: its answer is longer than {MAX_ANSWER_BYTES // 1024**2} MB.", "odd_answer", "Ask for less."
            )
        if patience.is_aborted or not patience.left_s:
            raise PortalError(f"{host}: its answer was not there in time.", "slow")
    return b"".join(parts)


def _document(body: bytes) -> Json:
    try:
        return documents.parse(body)
    except NotJsonError:
        return None


def _unreachable(host: str, error: Exception, patience: Patience) -> PortalError:
    if patience.is_aborted:
        return PortalError(f"{host}: the call was given up.", "aborted")
    if isinstance(error, requests.Timeout) or not patience.left_s:
        return PortalError(f"{host}: its answer was not there in time.", "slow")
    return PortalError(f"{host}: cannot be reached ({_cause(error)}).", "unreachable")


def _cause(error: BaseException) -> str:
    """The innermost name for what went wrong, such as ConnectionRefusedError."""
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, BaseException) else (error.args[0] if error.args else None)
    return _cause(inner) if isinstance(inner, BaseException) else type(error).__name__


class _Exchange:
    """
    The socket of one exchange, as long as it is in its use.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_over = False

    def use(self, opened: socket.socket | None) -> None:
        """Take *opened* for the socket; shut it at once if nobody waits any more."""
        with self._lock:
            self._socket = opened
            if self._is_over and opened:
                _shut(opened)

    def shut(self) -> None:
        """End the exchange, from another thread."""
        with self._lock:
            if self._socket and not self._is_over:
                _shut(self._socket)
            self._is_over = True

    def end(self) -> None:
        """Leave the socket alone from now on: it may be in use for the next exchange."""
        with self._lock:
            self._socket = None
            self._is_over = True


def _shut(opened: socket.socket) -> None:
    # An SSLSocket's own shutdown() takes its state away from the thread that reads from it.
    socket.socket.shutdown(opened, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """
    Connections that tell the exchange of their thread which socket it uses.
    """

    def __init__(self, current: threading.local) -> None:
        self._current = current
        super().__init__(pool_connections=64, pool_maxsize=KEPT_CONNECTIONS, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        current = self._current

        class Connection(HTTPConnection):
            def getresponse(self) -> Any:
                current.exchange.use(self.sock)
                return super().getresponse()

        class TLSConnection(Connection, HTTPSConnection):
            pass

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        class TLSPool(HTTPSConnectionPool):
            ConnectionCls = TLSConnection

        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}
