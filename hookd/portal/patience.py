"""
How long somebody waits for a portal, and how he stops waiting.

A hook's call of a tool brings both along; for what hookd does on its own account there is `Deadline`. Blocking work
registers what ends it (a socket, mostly), and looks at the time before each further step.
"""

import time
from collections.abc import Callable
from typing import Protocol


class Patience(Protocol):
    """
    Until when somebody waits.
    """

    @property
    def left_s(self) -> float:
        """Seconds until nobody waits any more; never negative."""

    @property
    def is_aborted(self) -> bool:
        """Whether nobody waits any more, though there was time left."""

    def on_abort(self, shut: Callable[[], None], /) -> object:
        """Have *shut* called, from another thread, when nobody waits any more; at once if it is so."""


class Deadline:
    """
    Patience that nobody cuts short.

    Args:
        seconds: From now on.
    """

    is_aborted = False

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self._end - time.monotonic())

    def on_abort(self, shut: Callable[[], None], /) -> None:
        """Forget it: nobody aborts."""
