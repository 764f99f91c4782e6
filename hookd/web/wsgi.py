"""
The Flask app behind the connector's lane: a request's body is read on the event loop, the app runs in a thread, and its
answer goes out in one piece.

A thread and the event loop meet twice for each request, at its beginning and at its end. Where a thread asks the loop
for each piece of a body and hands over each piece of an answer, as `a2wsgi` has it, every piece waits for both to have
the processor, which on a busy machine takes longer than the work.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from io import BytesIO
from typing import Any

from a2wsgi.wsgi import build_environ

from hookd.web.lane import Receive, Scope, Send

Headers = list[tuple[str, str]]

# They answer also while events wait for the disk in all other threads: whoever asks would end a server that is well.
PROBES = frozenset({"/healthz", "/readyz"})
PROBE_THREADS = 2


class Threaded:
    """
    A WSGI application as an ASGI one; what it answers is whole before any of it is sent.

    Args:
        threads: For the application.
        most_bytes: Of a body that the application takes; of a longer one it gets one byte more, or, where the sender
            announced its length, nothing.
    """

    def __init__(self, app: Any, *, threads: Executor, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._threads = threads
        self._probe_threads = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="probe")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, is_whole = await self._body(scope, receive)
        environ: Any = build_environ(scope, BytesIO(body))  # type: ignore[arg-type]
        environ.pop("HTTP_TRANSFER_ENCODING", None)  # there are no chunks any more
        environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or str(len(body) + (not is_whole))
        threads = self._probe_threads if scope["path"] in PROBES else self._threads
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(threads, self._answer, environ)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _body(self, scope: Scope, receive: Receive) -> tuple[bytes, bool]:
        """The body, and whether the sender stayed until its end, which nothing else tells of one in chunks."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._most_bytes:
            return b"", True
        body = bytearray()
        more = True
        while more and len(body) <= self._most_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return bytes(body), False
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body[: self._most_bytes + 1]), True

    def _answer(self, environ: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        begun: list[tuple[str, Headers]] = []

        def start(status: str, headers: Headers, exc_info: object = None) -> Callable[[bytes], object]:
            begun.append((status, headers))
            return _write

        pieces: Iterable[bytes] = self._app(environ, start)
        try:
            body = b"".join(pieces)
        finally:
            getattr(pieces, "close", lambda: None)()
        status, headers = begun[-1]
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return int(status.partition(" ")[0]), encoded, body


def _write(piece: bytes) -> None:
    raise NotImplementedError("the app answers with what it returns")  # PEP 3333's other way, which Flask never takes
