"""
The broker: takes the calls of hooks, has the tools do the work in threads, and answers within the deadline.

    worker ─ call → pool → RunCalls.begin ─ thread → Method.do → RunCalls answers ─ answer → worker

What a hook may call is what its own file names; a call of anything else, or with other arguments than a worker ever
sends, comes from a worker that was taken over. Whoever runs hooks for a look only (commands, tests) passes a stand-in,
which answers instead of the tools.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import structlog

from hookd import metrics
from hookd.errors import ToolFailedError
from hookd.sandbox import signatures, wire
from hookd.tools.call import Call, Ground, Json, Method, ToolCall, late
from hookd.tools.threads import Threads

THREADS_MAX = 32  # of one process: its workers have a call each at most, the rest is for those that linger
TEXT_CHARACTERS = 500  # of a message or remedy

Message = dict[str, Any]
log = structlog.get_logger("hookd.tools")


@dataclass(frozen=True, slots=True)
class Tools:
    """
    What there is to call.

    Attributes:
        methods: Tool → method → what does it.
        close: Ends what they keep.
    """

    methods: Mapping[str, Mapping[str, Method]]
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a call came to.

    Attributes:
        error: Message and remedy; None where there is a value.
        is_pretended: Whether nothing was done for it.
    """

    value: Json = None
    error: tuple[str, str] | None = None
    is_pretended: bool = False


# Answers a call in place of the tool; None leaves it to the tool.
StandIn = Callable[[Call, Method], Answer | None]


class Broker:
    """
    The tools of one process; its methods are called on the event loop.
    """

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.threads = Threads("tool", THREADS_MAX)

    def begin(self, site: Ground, names: Collection[str], deadline: float, stand_in: StandIn | None) -> "RunCalls":
        """
        Return the calls of a run that may use the tools *names*, until *deadline* (monotonic time).
        """
        return RunCalls(self, site, names, deadline, stand_in)

    def close(self) -> None:
        """
        End the threads.
        """
        self.threads.close()
        self.tools.close()


class RunCalls:
    """
    The calls of one run, one after another.

    Attributes:
        made: Those that have ended.
    """

    def __init__(
        self, broker: Broker, site: Ground, names: Collection[str], deadline: float, stand_in: StandIn | None
    ) -> None:
        self.made: list[ToolCall] = []
        self._broker = broker
        self._site = site
        self._names = names
        self._deadline = deadline
        self._stand_in = stand_in
        self._current: _Current | None = None

    def begin(self, message: Message, send: Callable[[bytes], None]) -> None:
        """
        Begin the call in *message*; *send* gets the frame with its answer, unless the run ends before.

        Raises:
            FrameError: No honest worker asks for this.
        """
        tool, name, arguments = message["tool"], message["method"], message["arguments"]
        if tool not in self._names or tool not in self._broker.tools.methods:
            raise wire.FrameError(f"a call of {tool[:20]!r}, which this hook does not name")
        if not signatures.is_valid(tool, name, arguments):
            raise wire.FrameError(f"a call of {tool} with what it never takes")
        if len(orjson.dumps(arguments)) > signatures.ARGUMENT_BYTES:
            raise wire.FrameError(f"a call of {tool} with more than a worker ever sends")
        method = self._broker.tools.methods[tool][name]
        now = time.monotonic()
        limit_s = arguments.get("timeout_s")
        deadline = self._deadline if limit_s is None else min(self._deadline, now + limit_s)
        call = Call(self._site, tool, name, arguments, deadline)
        current = self._current = _Current(call, method.summary(arguments), message["id"], now, send)
        found = self._stand_in(call, method) if self._stand_in else None
        if found:
            self._end(current, found)
            return
        loop = asyncio.get_running_loop()
        if deadline < self._deadline:
            current.timer = loop.call_at(deadline, self._expire, current)
        self._broker.threads.submit(partial(_do, call, method, partial(_post, loop, self._end, current)))

    def close(self) -> None:
        """
        The run is over: give up the call that it was waiting for.
        """
        if self._current:
            self._current.call.abort()
            self._note(self._current, "the run ended before the answer", "abandoned", None)

    def _expire(self, current: "_Current") -> None:
        current.call.abort()
        error = late(current.call, current.summary)
        self._end(current, Answer(error=(error.message, error.remedy)))

    def _end(self, current: "_Current", answer: Answer) -> None:
        if self._current is not current:
            return  # given up, and told so
        frame, answer = _frame(current, answer)
        error = " ".join(answer.error) if answer.error else ""
        pretended = current.call.arguments if answer.is_pretended else None
        self._note(current, error, "error" if error else "ok", pretended)
        current.send(frame)

    def _note(self, current: "_Current", error: str, outcome: str, pretended: Mapping[str, Json] | None) -> None:
        self._current = None
        if current.timer:
            current.timer.cancel()
        seconds = time.monotonic() - current.started
        call = current.call
        metrics.TOOL_SECONDS.labels(call.tool, outcome).observe(seconds)
        self.made.append(ToolCall(call.tool, call.method, current.summary, seconds * 1000, error, pretended))


@dataclass(slots=True, eq=False)
class _Current:
    """The call that a run waits for."""

    call: Call
    summary: str
    number: int
    started: float
    send: Callable[[bytes], None]
    timer: asyncio.TimerHandle | None = None


def _do(call: Call, method: Method, end: Callable[[Answer], None]) -> None:
    """Do the work of *call*, in a thread."""
    if _is_given_up(call):
        return
    try:
        answer = Answer(method.do(call))
    except ToolFailedError as error:
        answer = Answer(error=(error.message, error.remedy))
    except Exception:
        if _is_given_up(call):
            return  # its socket was shut under it
        log.exception("tool_failed", site=call.site.name, tool=call.name)
        answer = Answer(error=(f"{call.name}: hookd itself failed.", "See its log."))
    end(answer)


def _is_given_up(call: Call) -> bool:
    return call.is_aborted


def _post(
    loop: asyncio.AbstractEventLoop, end: Callable[["_Current", Answer], None], current: _Current, answer: Answer
) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(end, current, answer)


def _frame(current: _Current, answer: Answer) -> tuple[bytes, Answer]:
    """The frame with *answer*; where that is too long, with an error in its place."""
    message: Message = {"t": "answer", "id": current.number}
    if answer.error:
        what, remedy = answer.error
        told = {"message": what[:TEXT_CHARACTERS], "remedy": remedy[:TEXT_CHARACTERS]}
        return wire.frame(orjson.dumps({**message, "error": told})), answer
    try:
        return wire.frame(orjson.dumps({**message, "value": answer.value})), answer
    except wire.FrameError:
        failed = f"{current.call.name} {current.summary}: the answer is more than {wire.MAX_FRAME_BYTES} bytes as JSON."
        return _frame(current, Answer(error=(failed, "Ask for less at a time.")))
