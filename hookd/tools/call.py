"""
One call of a hook to a tool, as the tool sees it.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookd.errors import ToolFailedError
from hookd.portal.rest import Who
from hookd.settings import SiteSettings

Json = Any


@dataclass(frozen=True, slots=True)
class Ground:
    """
    What of a site its tools stand on.

    Attributes:
        directory: Where `secrets/` is.
        hooks: Where `lists/` is.
        who: As whom its portal is asked, where the run is about one of its portals; None leaves it to the site.
        portal: Id of the portal that asks; "" where it is none that does.
    """

    name: str
    directory: Path
    hooks: Path
    settings: SiteSettings
    who: Who | None = None
    portal: str = ""


@dataclass(slots=True, eq=False)
class Call:
    """
    One call: what is asked, of which site, and until when.

    It is made on the event loop and worked on in a thread. The thread registers what ends its waiting; whoever gives
    the call up, at its deadline or because the run is over, has that done.

    Attributes:
        arguments: By name, checked, defaults included.
        deadline: Monotonic time after which nobody waits for the answer.
    """

    site: Ground
    tool: str
    method: str
    arguments: Mapping[str, Json]
    deadline: float
    is_aborted: bool = False
    _shuts: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """ "http.get" """
        return f"{self.tool}.{self.method}"

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def on_abort(self, shut: Callable[[], None]) -> None:
        """
        Have *shut* called when the call is given up, from another thread; at once if it was.
        """
        with self._lock:
            if not self.is_aborted:
                self._shuts.append(shut)
                return
        with contextlib.suppress(OSError):
            shut()

    def abort(self) -> None:
        """
        Give the call up: what it waits for ends.
        """
        with self._lock:
            self.is_aborted = True
            shuts, self._shuts = self._shuts, []
        for shut in shuts:
            with contextlib.suppress(OSError):
                shut()


def late(call: Call, summary: str) -> ToolFailedError:
    """
    Return what a hook is told where *call*, about *summary*, had no answer by its deadline.
    """
    limit_s = call.arguments.get("timeout_s")
    within = f"no answer within {limit_s:g} s (timeout_s)." if limit_s else "no answer in time."
    remedy = "Give it longer, or go on without: try: … except Exception: …"
    return ToolFailedError(f"{call.name} {summary}: {within}", remedy)


@dataclass(frozen=True, slots=True)
class Method:
    """
    One method of a tool.

    Attributes:
        do: Does the work, in a thread; raises ToolFailedError.
        summary: What the call is about, in the run's record: a host, a key, a list; never a secret.
        is_acting: Whether it changes something, or somebody else learns of it: commands only say that it would.
        pretend: What a command answers instead.
    """

    do: Callable[[Call], Json]
    summary: Callable[[Mapping[str, Json]], str]
    is_acting: bool = True
    pretend: Callable[[Mapping[str, Json]], Json] = lambda arguments: None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """
    A call in the record of a run.

    Attributes:
        summary: What it was about.
        ms: How long the hook waited for it.
        error: What it was told instead of an answer; "" otherwise.
        pretended: The arguments, where nothing was done: "would call …"; else None.
    """

    tool: str
    method: str
    summary: str
    ms: float
    error: str = ""
    pretended: Mapping[str, Json] | None = None

    @property
    def name(self) -> str:
        """ "http.get crm.example.ru" """
        return f"{self.tool}.{self.method} {self.summary}".rstrip()
