"""
Frames between the broker (an HTTP process or a command) and a worker: u32 length, big-endian, then UTF-8 JSON.

One request is in flight at a time. The broker is the strict side: who a worker is and what it may do belongs to the
socket in the broker, never to a message, and any violation of the protocol ends the worker.

Broker to worker:
    {"t": "site", "zone": str, "posix_zone": str, "region": str, "area_code": str, "hours": {…}, "holidays": [...]}
    {"t": "check", "key": str, "name": str, "file": str, "source": str, "libs": {name: source}, "templates": {…}}
    {"t": "load", "key": str, …the same fields…}
    {"t": "run", "key": str, "document": {…}, "settings": {…}, "now": str | null, "frame": {…} | null}
    {"t": "answer", "id": int, "value": Json} or {"t": "answer", "id": int, "error": {"message": str, "remedy": str}}
Worker to broker:
    {"t": "ready"}
    {"t": "print", "text": str}, any number of times within a run
    {"t": "call", "id": int, "tool": str, "method": str, "arguments": {…}}, within a run: the next frame is its answer
    {"t": "checked", "problems": [...], "warnings": [...], "libs": [...], "settings_keys": [...], "tools": [...],
     "lists": [...], "jobs": [...], "templates": [...], "returned_keys": [...], "returned_values": [...]}
    {"t": "done", "ok": Json} or {"t": "done", "cancel": true} or {"t": "done", "error": {…}}, with "cpu_s" and "rss_kb"
"""

import os
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from hookd.sandbox.signatures import CALLS_MAX

READ_BYTES = 65_536
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 65  # lists and objects in one another: the 64 that a hook's result may have, and the message around it
TEXT_CHARACTERS = 4096  # of one message or remedy: far longer than any of ours
PROBLEM_KEYS = frozenset({"file", "line", "message", "remedy"})
ERROR_KEYS = PROBLEM_KEYS | {"code"}
REFUSAL_KEYS = frozenset({"code", "path", "message", "remedy"})
CALL_KEYS = frozenset({"t", "id", "tool", "method", "arguments"})
ERROR_CODES = frozenset({"error", "memory", "contract"})
HEADER = struct.Struct(">I")


class FrameError(Exception):
    """The other side sent what is no frame."""


def parse(body: bytes) -> Any:
    """
    Return the JSON in *body*, what a worker sent.

    Raises:
        FrameError: It is nested more deeply than an honest worker nests: what walks through it would run out of stack.
        ValueError: It is no JSON.
    """
    message = orjson.loads(body)
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _is_deep(message):
        raise FrameError(f"a message nested more than {MAX_DEPTH} deep")
    return message


def _is_deep(message: Any) -> bool:
    level = [message]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if type(child) is dict or type(child) is list]
    return bool(level)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if type(node) is dict else node


def check_call(message: dict[str, Any], number: int) -> None:
    """
    Check that *message* has the form of the call *number* of a run; what it asks for is the broker's to judge.

    Raises:
        FrameError: It has not: a hook has taken the worker over.
    """
    if message.keys() != CALL_KEYS or type(message["id"]) is not int or message["id"] != number:
        raise FrameError("a call of no known form, or out of turn")
    if number > CALLS_MAX:
        raise FrameError("more calls than a worker ever sends")
    if type(message["tool"]) is not str or type(message["method"]) is not str:
        raise FrameError("a call of nothing")


def check_answer(asked: str, message: dict[str, Any]) -> None:
    """
    Check that *message* is what an honest worker answers to a message of the kind *asked*: "run" or "check".

    Raises:
        FrameError: It is not: a hook has taken the worker over.
    """
    if asked == "check":
        _check_checked(message)
        return
    if len(message) != 4 or type(message["cpu_s"]) is not float or type(message["rss_kb"]) is not int:
        raise FrameError("an answer without its figures")
    if "error" in message:
        _check_error(message["error"])
    elif "ok" not in message and message.get("cancel") is not True:
        raise FrameError("an answer that says nothing")


def _check_error(error: Any) -> None:
    _check_texts(error, ERROR_KEYS if "path" not in error else REFUSAL_KEYS)
    if error["code"] not in ERROR_CODES or ("path" in error) != (error["code"] == "contract"):
        raise FrameError("an error of no known kind")


def _check_checked(message: dict[str, Any]) -> None:
    for key in ("problems", "warnings"):
        for problem in message[key]:
            _check_texts(problem, PROBLEM_KEYS)
    for kind in ("libs", "tools", "templates"):
        if not all(type(name) is str for name in message[kind]):
            raise FrameError(f"{kind} without a name")
    for names in (message["settings_keys"], message["lists"], message["jobs"], message["returned_keys"]):
        if not all(type(name) is str and type(line) is int for name, line in names):
            raise FrameError("a name that is none")
    if not all(type(line) is int for _, line in message["returned_values"]):
        raise FrameError("a value without its line")


def _check_texts(found: Any, keys: frozenset[str]) -> None:
    if type(found) is not dict or found.keys() != keys:
        raise FrameError("an error with other keys")
    for key, value in found.items():
        if key == "line":
            if type(value) is not int or not 0 <= value < 2**31:
                raise FrameError("a line that is none")
        elif type(value) is not str or len(value) > TEXT_CHARACTERS:
            raise FrameError("a text that is none, or too long")


def pack(message: dict[str, Any]) -> bytes:
    """
    Return *message* as a frame.

    Raises:
        FrameError: It is longer than MAX_FRAME_BYTES.
    """
    return frame(orjson.dumps(message))


def frame(body: bytes) -> bytes:
    """
    Return the frame around the JSON in *body*.

    Raises:
        FrameError: It is longer than MAX_FRAME_BYTES.
    """
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes; {MAX_FRAME_BYTES} at most")
    return HEADER.pack(len(body)) + body


class Reader:
    """
    Puts frames together from whatever pieces a stream comes in.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """
        Return the bodies of the frames that *data* completes.

        Raises:
            FrameError: A frame announces more than MAX_FRAME_BYTES.
        """
        buffer = self._buffer
        if not buffer and len(data) > HEADER.size and HEADER.unpack_from(data)[0] == len(data) - HEADER.size:
            return [bytes(data[HEADER.size :])]  # nearly always: one whole frame
        buffer += data
        bodies = []
        while len(buffer) >= HEADER.size:
            (size,) = HEADER.unpack_from(buffer)
            if size > MAX_FRAME_BYTES:
                raise FrameError(f"a frame of {size} bytes; {MAX_FRAME_BYTES} at most")
            end = HEADER.size + size
            if len(buffer) < end:
                break
            bodies.append(bytes(buffer[HEADER.size : end]))
            del buffer[:end]
        return bodies


def messages(fd: int) -> Iterator[dict[str, Any]]:
    """
    Yield the messages from the blocking *fd* until its end; the worker's side, which trusts the broker.
    """
    reader = Reader()
    while data := os.read(fd, READ_BYTES):
        for body in reader.feed(data):
            yield orjson.loads(body)


def write(fd: int, message: dict[str, Any]) -> None:
    """
    Write *message* to the blocking *fd*.
    """
    data = memoryview(pack(message))
    while data:
        data = data[os.write(fd, data) :]
