"""
Workers as the broker knows them: what one is doing, what was told to it, how it ended.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hookd.sandbox import wire

Message = dict[str, Any]
# Takes a call of a run, and what sends its answer; raises FrameError for what no honest worker asks.
OnCall = Callable[[Message, Callable[[bytes], None]], None]


class State(StrEnum):
    """What a worker is doing; the label of the workers gauge."""

    STARTING = "starting"
    SPARE = "spare"
    PREPARED = "prepared"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"


class End(StrEnum):
    """Why a run got no answer from its worker."""

    TIMEOUT = "timeout"
    CRASH = "crash"
    VIOLATION = "violation"


class RunEnded(Exception):
    """
    The worker is gone and gave no answer.

    Attributes:
        end: Why.
        detail: What the kernel said, for the log; "" where it is the deadline.
        printed: What the hook had printed by then.
        is_foreign: Whether somebody else ended it: the kernel's out-of-memory killer, an operator, a dying zygote.
    """

    def __init__(self, end: End, detail: str, printed: str, *, is_foreign: bool = False) -> None:
        super().__init__(f"{end}: {detail}")
        self.is_foreign = is_foreign
        self.end = end
        self.detail = detail
        self.printed = printed


class Busy(Exception):
    """No worker became free before the deadline."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    What workers of a hook that runs in fresh ones are told ahead of a run: the site, and the hook's version.
    """

    site_message: Message
    load_message: Message

    def is_in(self, worker: "Worker") -> bool:
        """Whether *worker* was told all of it."""
        return worker.site_message is self.site_message and self.load_message["key"] in worker.loaded


@dataclass(slots=True, eq=False)
class Worker:
    """
    One worker process as the broker knows it.

    Attributes:
        number: Its name towards the zygote.
        site: The site it serves; None for a spare.
        site_message: What it was told of the site, the very object.
        asked: What it has to answer: "run", "check" or "" for nothing.
        loaded: Keys of the programs that it has compiled.
        hosted: Name of every hook whose code was executed in it → keys of the versions that were run.
        is_ready: Whether it has said that it is locked.
        is_fresh: Whether it serves one run only.
        is_worn: Whether it is ended when it is given back.
        on_call: Takes the tool calls of the run; None where there can be none.
        calls: How many calls the run has made.
        is_calling: Whether one of them waits for its answer.
    """

    number: int
    channel: socket.socket
    state: State = State.STARTING
    pid: int = 0
    site: str | None = None
    site_message: Message | None = None
    asked: str = ""
    loaded: set[str] = field(default_factory=set)
    hosted: dict[str, set[str]] = field(default_factory=dict)
    is_ready: bool = False
    runs: int = 0
    first_rss_kb: int = 0
    is_fresh: bool = False
    is_worn: bool = False
    asked_at: float = 0.0
    idle_since: float = 0.0
    prepared_for: Hashable = None
    reader: wire.Reader = field(default_factory=wire.Reader)
    unsent: bytearray = field(default_factory=bytearray)
    printed: list[str] = field(default_factory=list)
    printed_bytes: int = 0
    on_call: OnCall | None = None
    calls: int = 0
    is_calling: bool = False
    reply: "asyncio.Future[Message] | None" = None


def note_hosted(worker: Worker, messages: Iterable[Message]) -> None:
    """
    Note which hooks *messages* have *worker* execute.
    """
    for message in messages:
        if message["t"] == "load":
            worker.hosted.setdefault(message["name"], set()).add(message["key"])
        elif message["t"] == "check":  # its digest is not known yet
            worker.hosted.setdefault(message["name"], set())


def ended(worker: Worker, status: int, call: str) -> RunEnded:
    """
    Return how *worker* ended: by its wait *status*, and the system *call* that it was killed for, if any.
    """
    printed = "".join(worker.printed)
    number = os.WTERMSIG(status) if status >= 0 and os.WIFSIGNALED(status) else -status if status < 0 else 0
    if not number:
        return RunEnded(End.CRASH, f"exit code {os.WEXITSTATUS(status)}", printed)
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    if number == signal.SIGSYS:
        return RunEnded(End.VIOLATION, f"system call {call}" if call else name, printed)
    # The pool's own kills are told before they come to this.
    return RunEnded(End.CRASH, name, printed, is_foreign=number == signal.SIGKILL)
