"""
The breaker: a hook that keeps timing out or crashing is paused, then tried again with one run.

Such a hook costs a worker for its whole limit each time. Failures that outnumber the good runs by FAILURES within
WINDOW_S pause it; while it is paused its runs fall back at once. Then one run tries it: good, and it is back; bad, and
it is paused twice as long. Each HTTP process has its own breaker, and another version of the file starts anew.
"""

from dataclasses import dataclass

FAILURES = 5
WINDOW_S = 60.0
PAUSE_S = 60.0
PAUSE_MAX_S = 1800.0

Key = tuple[str, str]  # site and name of a hook


@dataclass(slots=True)
class _Record:
    """What a hook did lately; paused_until is 0 where it is not paused."""

    digest: str
    since: float
    failures: int = 0
    pause_s: float = PAUSE_S
    paused_until: float = 0.0
    is_tried: bool = False


class Breaker:
    """
    What the hooks of one process did lately; times are monotonic seconds.
    """

    def __init__(self) -> None:
        self._records: dict[Key, _Record] = {}

    def admit(self, hook: Key, digest: str, now: float) -> float:
        """
        Return 0 where the version *digest* of *hook* may run, else the seconds that it stays paused.

        Whoever was admitted reports `good`, `bad` or `void`.
        """
        record = self._records.get(hook)
        if record is None:
            return 0.0
        if record.digest != digest:
            del self._records[hook]
            return 0.0
        if not record.paused_until:
            return 0.0
        if now < record.paused_until or record.is_tried:
            return max(record.paused_until - now, 1.0)
        record.is_tried = True
        return 0.0

    def good(self, hook: Key) -> None:
        """
        A run of *hook* ended by itself.
        """
        record = self._records.get(hook)
        if record is None:
            return
        record.failures -= 1
        if record.is_tried or record.failures <= 0:
            del self._records[hook]

    def bad(self, hook: Key, digest: str, now: float) -> float:
        """
        A run of *hook* timed out or crashed; return the seconds for which that pauses it, 0 where it does not.
        """
        record = self._records.get(hook)
        if record is None or record.digest != digest or (not record.paused_until and now - record.since > WINDOW_S):
            record = self._records[hook] = _Record(digest, now)
        record.failures += 1
        if record.is_tried:
            record.is_tried = False
            record.pause_s = min(record.pause_s * 2, PAUSE_MAX_S)
        elif record.paused_until or record.failures < FAILURES:
            return 0.0  # not enough, or it began before the pause
        record.paused_until = now + record.pause_s
        return record.pause_s

    def void(self, hook: Key) -> None:
        """
        A run of *hook* says nothing of it, since it got no worker: the next one tries.
        """
        record = self._records.get(hook)
        if record:
            record.is_tried = False

    def paused(self, now: float) -> dict[Key, tuple[str, float]]:
        """
        Return the hooks that are paused at *now*: the digest of the version, and the seconds still.
        """
        return {
            hook: (record.digest, max(record.paused_until - now, 0.0))
            for hook, record in self._records.items()
            if record.paused_until
        }
