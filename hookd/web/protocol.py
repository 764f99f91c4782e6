"""
uvicorn's HTTP protocol with the limits that it lacks: of a request's head in bytes and time, of its body in time.

Without them a stranger with an endless header could hold up everybody (the parser joins it to itself again and again),
and every request would have to carry a timer of its own.
"""

from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hookd import documents, metrics
from hookd.errors import LargeHeadError, SenderError, SlowBodyError
from hookd.web.lane import REFUSED, error_document

MAX_HEAD_BYTES = 65_536  # of a request line and its headers; a connector's have less than 1,000
HEAD_S = 10.0  # from the connection, or the first byte of a head, until it is complete
BODY_S = 5.0  # from the headers until the body is complete

log = structlog.get_logger("hookd.web")


class LimitedProtocol(HttpToolsProtocol):
    """
    HTTP/1.1 on one connection, as uvicorn speaks it, with limits.
    """

    _is_in_head = True
    _is_in_body = False
    _has_begun = False
    _unread_bytes = 0  # since the last byte of a body or the beginning of a head: an endless header, or trailer
    _timer: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch(HEAD_S, self._end_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._has_begun:
            self._unread_bytes = 0  # most of this piece was read
        # What came in one piece, as nearly every request does, is over here and costs no timer.
        if (self._is_in_head or self._is_in_body) and self._unread_bytes > MAX_HEAD_BYTES:
            self._refuse(LargeHeadError(f"the request's head is longer than {MAX_HEAD_BYTES // 1024} KB"))
        elif self._timer is None and self._is_in_body:
            self._watch(BODY_S, self._end_slow_body)
        elif self._timer is None and (self._is_in_head or not self._is_answering):
            self._watch(HEAD_S, self._end_slow_head)  # also after a stray line end, which ended uvicorn's own timer

    def on_message_begin(self) -> None:
        self._is_in_head = self._has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        self._unread_bytes = 0
        self._stop_watching()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._stop_watching()
        super().on_message_complete()

    @property
    def _is_answering(self) -> bool:
        """Whether the reply to an earlier request is still to come; then reading may have been paused by uvicorn."""
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _watch(self, seconds: float, end: Any) -> None:
        self._timer = self.loop.call_later(seconds, end)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_slow_head(self) -> None:
        self._timer = None
        if self._is_in_body or self.transport.is_closing():
            return
        if self._is_answering:
            self._watch(HEAD_S, self._end_slow_head)
        else:
            self.transport.close()  # no request, no answer

    def _end_slow_body(self) -> None:
        self._timer = None
        if self.pipeline:  # uvicorn does not read on before the earlier reply is out
            self._watch(BODY_S, self._end_slow_body)
        else:
            self._refuse(SlowBodyError(f"the body was not complete {BODY_S:g} s after its headers"))

    def _refuse(self, error: SenderError) -> None:
        """Answer without the application, which sees that its client is gone."""
        if self.transport.is_closing():
            return
        if self.pipeline or (self.cycle is not None and self.cycle.response_started):
            self.transport.close()  # what would be written now would be taken for another request's reply
            return
        if self.cycle is not None:
            scope: Any = self.cycle.scope
            scope[REFUSED] = True
        metrics.REFUSED.labels(error.code).inc()
        log.info("refused", code=error.code, client=self.client[0] if self.client else "", error=str(error))
        body = documents.dump(error_document(error))
        head = f"HTTP/1.1 {error.status} \r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
