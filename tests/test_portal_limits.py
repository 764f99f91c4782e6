"""
All processes together ask a portal no more often than it allows.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import PortalError
from hookd.portal.limits import BURST, KEPT_FREE, Limits
from hookd.portal.patience import Deadline

ROOM = int(BURST - KEPT_FREE)
HOST = "acme.bitrix24.com"

# Asks as often as it may without waiting, and prints how often that was.
ASKER = """
import sys
from pathlib import Path
from hookd.errors import PortalError
from hookd.portal.limits import Limits
from hookd.portal.patience import Deadline

limits, count = Limits(Path(sys.argv[1]), lambda: 1000.0), 0
try:
    while True:
        limits.take("acme.bitrix24.com", "profile", Deadline(0))
        count += 1
except PortalError:
    print(count)
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tmp_path: Path, clock: Clock) -> Limits:
    return Limits(tmp_path / "var", clock)


def takes(limits: Limits, method: str = "profile", host: str = HOST) -> int:
    """Return how often *host* may be asked without waiting."""
    for count in range(1000):
        try:
            limits.take(host, method, Deadline(0))
        except PortalError:
            return count
    raise AssertionError("there is no limit")


def test_a_burst_and_then_two_a_second(limits: Limits, clock: Clock) -> None:
    """
    What is saved up may be used at once; then there is as much as the portal lets go. Portals count apart.
    """
    found = [takes(limits)]
    for seconds in (1, 10, 3600):
        clock.now += seconds
        found.append(takes(limits))

    assert found == [ROOM, 2, 20, ROOM]
    assert takes(limits, host="other.bitrix24.com") == ROOM


def test_says_how_long_it_would_take(limits: Limits) -> None:
    """
    Who has no time to wait learns for how long, and what to do instead.
    """
    takes(limits)

    with pytest.raises(PortalError) as caught:
        limits.take(HOST, "crm.lead.get", Deadline(0.1))

    assert caught.value.reason == "QUERY_LIMIT_EXCEEDED"
    assert str(caught.value) == (
        "acme.bitrix24.com: crm.lead.get would have to wait 0.5 s for the portal's limit of 2 requests a second. "
        "Ask for several things at once with batch, or do it in a job."
    )


def test_waits_where_there_is_time(tmp_path: Path) -> None:
    """
    Who has time gets its turn.
    """
    limits = Limits(tmp_path)
    takes(limits)
    begun = time.monotonic()

    limits.take(HOST, "profile", Deadline(30))

    assert time.monotonic() > begun


def test_who_is_given_up_waits_no_longer(tmp_path: Path) -> None:
    """
    A run that is over leaves nobody waiting.
    """

    class Aborted:
        left_s = 30.0
        is_aborted = True

        def on_abort(self, shut: Callable[[], None], /) -> None: ...

    limits = Limits(tmp_path, Clock())
    takes(limits)

    with pytest.raises(PortalError, match=r"acme\.bitrix24\.com: the call was given up\."):
        limits.take(HOST, "profile", Aborted())


def test_a_refusal_counts(limits: Limits, clock: Clock) -> None:
    """
    Others may have asked from the same address: a portal that refuses is full.
    """
    limits.note_full(HOST)
    before = takes(limits)
    clock.now += 3

    assert (before, takes(limits)) == (0, 4)


@pytest.mark.parametrize(
    ("told", "is_blocked"),
    [
        ({"operating": 100.0, "operating_reset_at": 1300}, False),
        ({"operating": 470.5, "operating_reset_at": 1300}, True),
        ({"operating": 470.5}, True),
        ({"operating": "much"}, False),
        (None, False),
        ([], False),
    ],
)
def test_a_method_that_has_worked_too_long_rests(limits: Limits, clock: Clock, told: Any, is_blocked: bool) -> None:
    """
    It is not asked until the portal takes it again; other methods are.
    """
    limits.note_operating(HOST, "crm.lead.list", told)

    assert takes(limits, "crm.lead.list") == (0 if is_blocked else ROOM)
    assert takes(limits, "crm.lead.get") == (ROOM if is_blocked else 0)
    clock.now += 301
    assert takes(limits, "crm.lead.list") == ROOM


def test_processes_count_together(tmp_path: Path) -> None:
    """
    However many ask, at the same moment, there are no more requests than one could have made.
    """
    processes = [
        subprocess.Popen([sys.executable, "-c", ASKER, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(4)
    ]

    counts = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(counts) == ROOM


def test_what_is_damaged_counts_as_nothing(limits: Limits, tmp_path: Path) -> None:
    """
    A file that was cut off by a full disk, or a clock that was set back, stops nobody.
    """
    takes(limits)
    [file] = (tmp_path / "var" / "portal-limits").iterdir()
    file.write_text('{"level": 4')

    assert takes(limits) == ROOM
