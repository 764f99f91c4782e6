"""
What the ways past the Flask app have in common: reading a request's body, and answering with JSON.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from hookd import documents, metrics
from hookd.errors import ContractError, GoneError, MethodError, MissingTokenError, SenderError, TooLargeError, Violation
from hookd.logs import mask

DRAINED_BYTES = 64 * 1024 * 1024  # of a body that is too long: read on, so that the sender comes to read the answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

REFUSED = "hookd.refused"  # in a scope: the protocol has refused this request, and told so
JSON = (b"content-type", b"application/json")

log = structlog.get_logger("hookd.web")


async def read_body(receive: Receive, headers: Any, most_bytes: int, usual: str) -> bytes:
    """
    Return the request's body.

    Args:
        headers: Lower-case name → value.
        usual: What such bodies usually have, for whoever sent a longer one.

    Raises:
        TooLargeError: It is longer than *most_bytes*.
        GoneError: The sender hung up, or was too slow: `protocol` ends the connection then.
    """
    size = int(headers.get(b"content-length", b"0"))
    parts, is_over = [], False
    if size <= most_bytes:
        size = 0
        while (message := await receive())["type"] == "http.request":
            part = message.get("body", b"")
            size += len(part)
            is_over = not message.get("more_body")
            if size > most_bytes:
                break
            parts.append(part)
            if is_over:
                return b"".join(parts)
        else:
            raise GoneError("the sender hung up before the end of its body")
    # Who waits for our word is told at once, and so is who has sent all of it: there is nothing more to receive.
    if not is_over and headers.get(b"expect", b"").lower() != b"100-continue":
        await _drain(receive)
    raise TooLargeError(f"the body is longer than {most_bytes} bytes; {usual}")


async def _drain(receive: Receive) -> None:
    """Read the rest of a body that is too long, within reason."""
    size = 0
    while size < DRAINED_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return


def error_document(error: SenderError) -> documents.Json:
    """
    Return the reply that tells the sender of its mistake.
    """
    found: dict[str, documents.Json] = {"code": error.code, "message": str(error)}
    if isinstance(error, ContractError):
        found["message"] = f"{error.point}: no valid reply can be built from this request"
        found["violations"] = [_violation(violation) for violation in error.violations]
    return {"state": "error", "error": found}


async def refuse(scope: Scope, send: Send, error: SenderError | GoneError) -> None:
    """
    Tell the sender of its mistake, and the log and the figures of it; one who is gone is told nothing.
    """
    if isinstance(error, GoneError) and scope.get(REFUSED):
        return
    metrics.REFUSED.labels(error.code).inc()
    client = scope.get("client")
    log.info(
        "refused",
        path=mask(scope["path"][:200]),
        code=error.code,
        client=client[0] if client else "",
        error=mask(str(error)[:500]),
    )
    if isinstance(error, SenderError):
        await answer(send, error.status, documents.dump(error_document(error)), _error_headers(error))


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """
    Send an answer in one piece; *headers* lack only its length.
    """
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _violation(violation: Violation) -> dict[str, str]:
    return {"path": violation.path, "message": violation.message}


def _error_headers(error: SenderError) -> Headers:
    headers = [JSON]
    if isinstance(error, MethodError):
        headers.append((b"allow", b"POST"))
    if isinstance(error, MissingTokenError):
        headers.append((b"www-authenticate", b'Bearer realm="hookd"'))
    if isinstance(error, TooLargeError):
        headers.append((b"connection", b"close"))
    return headers
