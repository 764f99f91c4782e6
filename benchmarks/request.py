"""
The one request of the benchmark and its right reply: what `post.lua` sends, and what each peer must answer.
"""

import http.client
import json
from pathlib import Path
from typing import Any

from benchmarks.hook import process_client_phone

POINT = "process_client_phone"
TIMEOUT_S = 5.0


def body() -> bytes:
    """Return the request as a connector sends it: compact UTF-8 (request.json is indented for people)."""
    request = json.loads(Path(__file__).with_name("request.json").read_text("utf-8"))
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()


def reply() -> dict[str, Any]:
    """Return what the hook makes of the request, in the connector's envelope."""
    return {"data": process_client_phone(json.loads(body())), "state": "success"}  # type: ignore[no-untyped-call]


def is_reply(text: bytes) -> bool:
    """Return whether a body is the right reply; white space and the order of keys are the peer's own."""
    try:
        return bool(json.loads(text) == reply())
    except ValueError:
        return False


def ask(port: int, method: str = "POST", path: str = f"/{POINT}") -> tuple[int, bytes]:
    """
    Send the request on a connection of its own.

    Returns:
        The HTTP status and the body, as received.

    Raises:
        OSError: Nobody listens, or the answer took longer than TIMEOUT_S.
        http.client.HTTPException: What came back is no HTTP.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        content = body() if method == "POST" else None
        connection.request(method, path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
