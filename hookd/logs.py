"""
Structured logs on standard error, one line an event, with phone numbers and tokens masked.

Whoever logs passes facts, not sentences: `log.info("run", site=…, outcome=…)`. Free text that comes from outside (what
a hook prints, an error's message) goes through `mask` where it is logged; facts that hookd makes itself (a run's id) do
not, so that they stay searchable.
"""

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from hookd import metrics

# A number of a person: 7 digits or more, with what people put between them. Asterisk's uniqueids (1700000000.12), dates
# and times are none.
_UNIQUEID_OR_TIME = r"1\d{9}\.\d{1,6}|(?:19|20)\d\d-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?"
_PHONE = re.compile(rf"(?P<keep>(?<![\d+]){_UNIQUEID_OR_TIME})(?![\d.-])|\+?\d(?:[\s().\-/_–]{{0,3}}\d){{6,}}")
_SECRET = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|pwd|auth_id|refresh_id|sessid|\bauth(?==)|api[_-]?key|authorization|bearer|basic)"
    r"(?:\]|%5d)?[\\'\"]{0,2}[\s:=]{0,3}[\\'\"]{0,2})(?!bearer\b|basic\b)[A-Za-z0-9._~+/\-]{8,512}={0,2}"
)
_USER_INFO = re.compile(r"(://)[^/@\s:]{1,64}:[^/@\s]{1,128}@")
_WEBHOOK = re.compile(r"(/rest/\d{1,9}/)[A-Za-z0-9]{8,64}")  # the portal's incoming webhooks carry their secret here
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
VISIBLE_DIGITS = 4  # of a masked number: enough to recognize one's own test call
PIPE_BYTES = 4096  # what several processes can write to one pipe at once without mixing (PIPE_BUF)
LINE_CHARACTERS = 4096  # of one text in the log: what a hook prints may be 16 times that


def mask(text: str) -> str:
    """
    Return *text*, cut to LINE_CHARACTERS, with phone numbers down to their last digits and tokens gone.
    """
    if len(text) > LINE_CHARACTERS:
        text = f"{text[:LINE_CHARACTERS]}… ({len(text)} characters)"
    return _PHONE.sub(_mask_phone, hide_secrets(text))


def hide_secrets(text: str) -> str:
    """
    Return *text* without what stands where tokens and passwords do.
    """
    return _WEBHOOK.sub(r"\1***", _USER_INFO.sub(r"\1***@", _SECRET.sub(r"\1***", text)))


def _mask_phone(match: re.Match[str]) -> str:
    if match.group("keep"):
        return match.group()
    number = match.group()
    digits = sum(character.isdigit() for character in number)
    hidden = digits - VISIBLE_DIGITS
    shown = []
    for character in number:
        if character.isdigit():
            hidden -= 1
            shown.append("*" if hidden >= 0 else character)
        else:
            shown.append(character)
    return "".join(shown)


def configure(log_format: str) -> None:
    """
    Send the log of this process to standard error: "json", "text", or "auto" for text on a terminal.
    """
    is_terminal = bool(sys.stderr) and sys.stderr.isatty()
    is_text = log_format == "text" or (log_format == "auto" and is_terminal)
    readable: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        _escape,
        structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=0, sort_keys=False),
    ]
    structlog.configure(
        processors=readable if is_text else [_json_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Sink(),
        cache_logger_on_first_use=True,
    )


def _json_line(logger: Any, method: str, facts: structlog.typing.EventDict) -> bytes:
    """The only processor of a JSON line, since there is one on every run: level, time, facts."""
    facts = {"time": datetime.now(UTC), "level": method, "event": facts.pop("event"), **facts}
    if "exc_info" in facts:
        facts = structlog.processors.format_exc_info(logger, method, facts)
    try:
        return orjson.dumps(facts, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
    except TypeError:  # half a surrogate, as in the name of a file that is no UTF-8
        return json.dumps(facts, default=str).encode()


def _escape(logger: Any, method: str, facts: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Nothing that comes from outside acts on the terminal of whoever reads the log."""
    return {name: _CONTROL.sub(_written_out, fact) if isinstance(fact, str) else fact for name, fact in facts.items()}


def _written_out(found: re.Match[str]) -> str:
    return repr(found.group())[1:-1] if found.group().isascii() else f"\\u{ord(found.group()):04x}"


# Python has no sys.stderr where descriptor 2 was closed at the start; something else may have got that number since.
_STDERR = 2 if sys.stderr else -1


_held: ContextVar[list[bytes] | None] = ContextVar("held", default=None)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """
    Write the lines that are logged within this context at its end, in one go.
    """
    lines: list[bytes] = []
    token = _held.set(lines)
    try:
        yield
    finally:
        _held.reset(token)
        piece = b""
        for line in lines:
            if piece and len(piece) + len(line) > PIPE_BYTES:
                _write(piece)
                piece = b""
            piece += line
        if piece:
            _write(piece)


class _Descriptor:
    """
    Standard error as this process writes to it: what cannot be written is lost, and counted.
    """

    def __init__(self) -> None:
        self._is_broken = False

    def write(self, data: bytes) -> None:
        """Write lines; after some that were lost on a new one, since the last may have been cut off by a full disk."""
        left = memoryview(b"\n" + data if self._is_broken else data)
        try:
            while left:
                left = left[os.write(_STDERR, left) :]
            self._is_broken = False
        except OSError:
            self._is_broken = True
            metrics.LOST_LINES.inc(min(data.count(b"\n"), bytes(left).count(b"\n")))


_write = _Descriptor().write


class _Sink:
    """
    Standard error, whatever became of it: a log that nobody can read costs no call.
    """

    def line(self, message: str | bytes) -> None:
        data = message if isinstance(message, bytes) else message.encode("utf-8", "backslashreplace")
        held = _held.get()
        if held is None:
            _write(data + b"\n")
        else:
            held.append(data + b"\n")

    msg = debug = info = warning = error = critical = exception = log = line
