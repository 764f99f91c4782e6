"""
Structured logs on standard error, one line an event, with phone numbers and tokens masked.

Whoever logs passes facts, not sentences: `log.info("run", site=…, outcome=…)`. Free text that comes from outside (what
a hook prints, an error's message) goes through `mask` where it is logged; facts that hookd makes itself (a run's id, a
call's linkedid) do not, so that they stay searchable.
"""

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

# A number of a person: 7 digits or more, with what people put between them. Asterisk's uniqueids (1700000000.12), dates
# and times are none.
_UNIQUEID_OR_TIME = r"\d{9,}\.\d+|\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?"
_PHONE = re.compile(rf"(?P<keep>(?<![\d+]){_UNIQUEID_OR_TIME})|\+?\d(?:[ ()\-]{{0,2}}\d){{6,}}")
_SECRET = re.compile(
    r"(?i)(\b(?:access_token|refresh_token|application_token|auth_id|refresh_id|authorization|bearer|token|secret"
    r"|password|api_?key)\b['\"]?\s*[:=]?\s*['\"]?)(?!bearer\b)[A-Za-z0-9._~+/\-]{8,}=*"
)
VISIBLE_DIGITS = 4  # of a masked number: enough to recognize one's own test call


def mask(text: str) -> str:
    """
    Return *text* with phone numbers down to their last digits and tokens gone.
    """
    return _PHONE.sub(_mask_phone, _SECRET.sub(r"\1***", text))


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
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    readable: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, sort_keys=False),
    ]
    structlog.configure(
        processors=readable if is_text else [_json_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=(
            structlog.WriteLoggerFactory(file=sys.stderr)
            if is_text
            else structlog.BytesLoggerFactory(file=sys.stderr.buffer)
        ),
        cache_logger_on_first_use=True,
    )


def _json_line(logger: Any, method: str, facts: structlog.typing.EventDict) -> bytes:
    """The only processor of a JSON line, since there is one on every run: level, time, facts."""
    facts["level"] = method
    facts["time"] = datetime.now(UTC)
    if "exc_info" in facts:
        facts = structlog.processors.format_exc_info(logger, method, facts)
    return orjson.dumps(facts, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
