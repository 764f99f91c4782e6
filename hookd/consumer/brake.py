"""
The brake against loops: a hook that changes the object whose event it answers is told of that change, and so on.

Bitrix24 ends such a chain only where the hook calls with the event's own token, which hookd does not keep. What comes
too often in too short a time is therefore put aside, until somebody has looked at it. Nothing of this outlives the
process: after a restart a loop begins to count anew.
"""

import time
from collections import deque
from collections.abc import Callable

RUNS_MAX = 10
WINDOW_S = 60.0
SWEPT = 10_000  # keys, after which those that are over are forgotten


class Brake:
    """
    How often something was done lately.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[tuple[float, str]]] = {}

    def admit(self, key: str, id_: str) -> bool:
        """
        Return whether what *key* stands for may be done once more now, as *id_*, and count it if so.

        One that was counted and could not be begun, such as on a full disk, is not counted again.
        """
        now = self._clock()
        if len(self._times) > SWEPT:
            self._times = {one: times for one, times in self._times.items() if times[-1][0] > now - WINDOW_S}
        times = self._times.setdefault(key, deque())
        while times and times[0][0] <= now - WINDOW_S:
            times.popleft()
        if any(id_ == counted for _, counted in times):
            return True
        if len(times) >= RUNS_MAX:
            return False
        times.append((now, id_))
        return True
