"""
How long a call that waits for files and processes may wait: until its deadline, or until it is given up.
"""

import math
import os
import select
import threading
import time

from hookd.errors import ToolFailedError
from hookd.tools.call import Call

MARGIN_S = 0.15  # before the run's deadline, so that the hook gets to know, and can go on with the original


class Patience:
    """
    The patience of one call; to be closed.
    """

    def __init__(self, call: Call) -> None:
        self._name = call.name
        self._deadline = call.deadline - MARGIN_S
        self._lock = threading.Lock()  # an abort may come when all is over, and its descriptor is another file's
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        call.on_abort(self._abort)

    def __enter__(self) -> "Patience":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            os.close(self._wake)
            self._wake = -1

    @property
    def left_s(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self._deadline - time.monotonic())

    def wait(self, what: str, *fds: int, seconds: float | None = None) -> list[int]:
        """
        Return those of *fds* that have become readable; none where *seconds* have passed before.

        Args:
            what: What is waited for, for the message.

        Raises:
            ToolFailedError: The deadline has come, or the call was given up.
        """
        poll = select.poll()
        for fd in (self._wake, *fds):
            poll.register(fd, select.POLLIN)
        wait_s = self.left_s if seconds is None else min(seconds, self.left_s)
        found = [fd for fd, _ in poll.poll(math.ceil(wait_s * 1000))]
        if self._wake in found or not self.left_s:
            raise ToolFailedError(
                f"{self._name}: {what} was not over in time.", "Go on with the original: try: … except Exception: …"
            )
        return found

    def _abort(self) -> None:
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)
