"""
How often a portal may be asked, by all processes of this machine together.

Bitrix24 counts the requests of one address to one portal: each adds 1 to a level that sinks by 2 a second, and above 50
it refuses (QUERY_LIMIT_EXCEEDED); and it counts the seconds that each method works, and refuses the method above 480 in
ten minutes (OPERATION_TIME_LIMIT). The same is counted here, in a small file for each portal that whoever wants to ask
locks for some microseconds; a lost file costs no more than a refusal. The largest subscription allows more, and portals
on a customer's own machine have no limit: hookd asks these no faster.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookd.errors import PortalError
from hookd.portal.patience import Patience
from hookd.storage import DIRECTORY_MODE, FILE_MODE

DIRECTORY = "portal-limits"
SINKS_A_SECOND = 2.0
BURST = 50.0
KEPT_FREE = 2.0  # of it: the portal's clock and ours do not tick together
OPERATING_MAX_S = 480.0
KEPT_OPERATING_S = 20.0  # of it: the next call may take as long
STEP_S = 0.05  # between two looks at whether somebody still waits

Clock = Callable[[], float]


@dataclass(slots=True)
class _Level:
    """
    What is known of one portal.

    Attributes:
        level: Of the bucket, when it was looked at.
        at: When that was, seconds since 1970, as the processes share it.
        blocked: Method → until when it is refused.
    """

    level: float = 0.0
    at: float = 0.0
    blocked: dict[str, float] = field(default_factory=dict)

    def sink(self, now: float) -> None:
        """Let the time pass; a clock that was set back counts as none."""
        self.level = max(0.0, self.level - SINKS_A_SECOND * max(0.0, now - self.at))
        self.at = now
        self.blocked = {method: until for method, until in self.blocked.items() if until > now}


class Limits:
    """
    The limits of all portals.

    Args:
        state: The state directory.
    """

    def __init__(self, state: Path, clock: Clock = time.time) -> None:
        self._directory = state / DIRECTORY
        self._clock = clock

    def take(self, portal: str, method: str, patience: Patience) -> None:
        """
        Wait until *portal* may be asked for *method*, and count it.

        Raises:
            PortalError: That is not before nobody waits any more.
        """
        while True:
            wait_s = self._try(portal, method)
            if not wait_s:
                return
            if wait_s > patience.left_s:
                raise PortalError(
                    f"{portal}: {method} would have to wait {wait_s:.1f} s for the portal's limit of "
                    f"{SINKS_A_SECOND:g} requests a second.",
                    "QUERY_LIMIT_EXCEEDED",
                    "Ask for several things at once with batch, or do it in a job.",
                )
            _pause(wait_s, patience, portal)

    def note_full(self, portal: str) -> None:
        """
        Note that the portal has refused: others have asked it from this address, or it counts otherwise.
        """
        with self._open(portal) as level:
            level.level = BURST

    def note_operating(self, portal: str, method: str, time_: Any) -> None:
        """
        Note what the portal said of the time that *method* has worked.

        Args:
            time_: The answer's key `time`.
        """
        if not isinstance(time_, dict):
            return
        operating, reset_at = time_.get("operating"), time_.get("operating_reset_at")
        if isinstance(operating, int | float) and operating > OPERATING_MAX_S - KEPT_OPERATING_S:
            until = reset_at if isinstance(reset_at, int | float) else self._clock() + 60
            self.block(portal, method, float(until))

    def block(self, portal: str, method: str, until: float) -> None:
        """
        Refuse *method* until this time.
        """
        with self._open(portal) as level:
            level.blocked[method] = min(until, self._clock() + 600)

    def _try(self, portal: str, method: str) -> float:
        """Count a request if there is room for it; return the seconds until there is."""
        with self._open(portal) as level:
            until = level.blocked.get(method)
            if until:
                raise PortalError(
                    f"{portal}: {method} has worked too long in the last ten minutes; the portal takes it again in "
                    f"{until - level.at:.0f} s.",
                    "OPERATION_TIME_LIMIT",
                    "Ask for less at once, or do it in a job.",
                )
            over = level.level + 1 - (BURST - KEPT_FREE)
            if over <= 0:
                level.level += 1
            return max(0.0, over / SINKS_A_SECOND)

    @contextlib.contextmanager
    def _open(self, portal: str) -> Iterator[_Level]:
        path = self._directory / hashlib.sha256(portal.encode()).hexdigest()[:32]
        try:
            self._directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError:
            yield _Level(at=self._clock())  # nothing is counted then; the portal counts as well
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            level = _read(descriptor)
            level.sink(self._clock())
            yield level
            _write(descriptor, level)
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> _Level:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        found = json.loads(os.pread(descriptor, 65_536, 0))
        blocked = {str(method): float(until) for method, until in found["blocked"].items()}
        return _Level(float(found["level"]), float(found["at"]), blocked)
    return _Level()


def _write(descriptor: int, level: _Level) -> None:
    text = json.dumps({"level": level.level, "at": level.at, "blocked": level.blocked}).encode()
    with contextlib.suppress(OSError):  # a full disk
        # Padded rather than cut off before: ext4 takes that for a file being replaced, and flushes it (3 ms).
        os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size), 0)


def _pause(seconds: float, patience: Patience, portal: str) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if patience.is_aborted:
            raise PortalError(f"{portal}: the call was given up.", "aborted")
        time.sleep(min(left, STEP_S))
