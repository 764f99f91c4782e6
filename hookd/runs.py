"""
A run: what became of one request, and how it is told.
"""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hookd.documents import Json
from hookd.errors import Violation
from hookd.tools import ToolCall


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why a run fell back, for people.

    Attributes:
        code: The reason, a word of the design: timeout, crash, memory, violation, error, contract, load, busy, …
        message: What is wrong and what is allowed.
        remedy: What to do.
        kept: What the call got instead.
        file: The hook's file; the point's name where there is none to blame.
        line: 0 where the whole file is meant.
    """

    code: str
    message: str
    remedy: str
    kept: str
    file: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(filter(None, (f"{place}: {self.message}", self.remedy, self.kept, f"[{self.code}]")))


@dataclass(slots=True)
class Run:
    """
    One execution of one hook, or the decision not to execute any.

    Attributes:
        run_id: 20 characters, ascending in time.
        outcome: ok, unchanged, cancelled or fallback.
        reason: Why it is no `ok`: no_hook, or the fallback's reason; "" otherwise.
        reply: The whole reply document.
        warnings: What is odd about the request and the reply, and cost nothing.
        printed: What the hook printed.
        times_ms: validate, wait, hook and total.
        digest: Of the hook's version, hex; "" where there is none.
        isolation: The level at which the hook was held, L0 to L4; "" where none ran.
        linkedid: Of the call, as the PBX names it; "" where the request does not tell.
        calls: What it asked of tools that act outside of the sandbox, in order.
    """

    run_id: str
    site: str
    point: str
    outcome: str = "unchanged"
    reason: str = ""
    reply: Json = None
    error: Failure | None = None
    warnings: tuple[Violation, ...] = ()
    printed: str = ""
    times_ms: dict[str, float] = field(default_factory=dict)
    digest: str = ""
    isolation: str = ""
    linkedid: str = ""
    calls: list[ToolCall] = field(default_factory=list)


def document(run: Run) -> dict[str, Json]:
    """
    Return the whole of *run*: what `?explain=1`, `hookd run --format json` and the journal show.
    """
    error = run.error and {
        "code": run.error.code,
        "file": run.error.file,
        "line": run.error.line,
        "message": run.error.message,
        "remedy": run.error.remedy,
        "text": str(run.error),
    }
    return {
        "run_id": run.run_id,
        "site": run.site,
        "point": run.point,
        "outcome": run.outcome,
        "reason": run.reason or None,
        "reply": run.reply,
        "error": error,
        "warnings": [{"path": warning.path, "message": warning.message} for warning in run.warnings],
        "print": run.printed,
        "calls": [call_document(call) for call in run.calls],
        "times_ms": {phase: round(milliseconds, 3) for phase, milliseconds in run.times_ms.items()},
        "digest": run.digest or None,
        "linkedid": run.linkedid or None,
        "isolation": run.isolation or None,
    }


def call_document(call: ToolCall) -> dict[str, Json]:
    """
    Return *call* as a document: what `?explain=1` and `--format json` show of a tool call.
    """
    return {
        "tool": call.tool,
        "method": call.method,
        "summary": call.summary,
        "ms": round(call.ms, 3),
        "error": call.error or None,
        "would_call": call.pretended,
    }


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What an HTTP request came with, for whoever writes runs down.

    Attributes:
        path: With the query.
        headers: Lower-case name → value.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


def ids() -> Iterator[str]:
    """
    Yield the ids of this process's runs: 48 bits of milliseconds, so that they sort by time, and 32 that count.
    """
    number = random.SystemRandom().getrandbits(32)  # at the first run, thus after the processes were forked
    while True:
        number = number + 1 & 0xFFFFFFFF
        yield f"{time.time_ns() // 1_000_000:012x}{number:08x}"


def linkedid(raw: Mapping[str, Json]) -> str:
    """
    Return how the PBX names the call that the request *raw* is about, cut to what a log line bears; "" if untold.
    """
    call = raw.get("call_full")
    channel = call.get("channel") if isinstance(call, dict) else None
    found = channel.get("id") if isinstance(channel, dict) else None
    return found[:64] if isinstance(found, str) else ""
