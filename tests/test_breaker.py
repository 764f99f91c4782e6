"""
The breaker: pauses what keeps failing, tries it again with one run, and forgets it with another version.
"""

from hypothesis import given
from hypothesis import strategies as st

from hookd.breaker import FAILURES, PAUSE_MAX_S, PAUSE_S, WINDOW_S, Breaker

HOOK = ("default", "process_client_phone")


def failing(breaker: Breaker, times: int, now: float = 0.0, digest: str = "a") -> list[float]:
    return [breaker.bad(HOOK, digest, now) for _ in range(times)]


def test_failures_in_a_row_pause() -> None:
    """
    The fifth failure within a minute pauses the hook for a minute; until then it runs.
    """
    breaker = Breaker()

    assert failing(breaker, FAILURES - 1) == [0.0] * (FAILURES - 1)
    assert breaker.admit(HOOK, "a", 1.0) == 0.0
    assert failing(breaker, 1, 1.0) == [PAUSE_S]
    assert breaker.admit(HOOK, "a", 11.0) == PAUSE_S - 10.0
    assert breaker.paused(11.0) == {HOOK: ("a", PAUSE_S - 10.0)}
    assert breaker.admit(("other", HOOK[1]), "a", 11.0) == 0.0


def test_one_run_tries_after_the_pause() -> None:
    """
    After the pause one run is let through, and the others only when it went well.
    """
    breaker = Breaker()
    failing(breaker, FAILURES)

    assert breaker.admit(HOOK, "a", PAUSE_S) == 0.0
    assert breaker.admit(HOOK, "a", PAUSE_S) == 1.0
    breaker.good(HOOK)
    assert breaker.admit(HOOK, "a", PAUSE_S) == 0.0
    assert breaker.paused(PAUSE_S) == {}


def test_a_try_that_fails_doubles_the_pause() -> None:
    """
    Each failed try doubles the pause, up to half an hour.
    """
    breaker, now, pauses = Breaker(), 0.0, []
    failing(breaker, FAILURES)
    for _ in range(8):
        now += PAUSE_MAX_S
        assert breaker.admit(HOOK, "a", now) == 0.0
        pauses += failing(breaker, 1, now)

    assert pauses == [120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0, 1800.0, 1800.0]


def test_a_try_without_a_worker_is_none() -> None:
    """
    A run that got no worker leaves the try to the next one.
    """
    breaker = Breaker()
    failing(breaker, FAILURES)

    assert breaker.admit(HOOK, "a", PAUSE_S) == 0.0
    breaker.void(HOOK)
    assert breaker.admit(HOOK, "a", PAUSE_S) == 0.0


def test_runs_that_began_before_the_pause_do_not_lengthen_it() -> None:
    """
    Failures of runs that were under way when the pause began change nothing.
    """
    breaker = Breaker()
    failing(breaker, FAILURES)

    assert failing(breaker, 10, 1.0) == [0.0] * 10
    assert breaker.admit(HOOK, "a", PAUSE_S) == 0.0


def test_another_version_starts_anew() -> None:
    """
    Saving the file ends the pause, and what the old version did is forgotten.
    """
    breaker = Breaker()
    failing(breaker, FAILURES)

    assert breaker.admit(HOOK, "b", 1.0) == 0.0
    assert failing(breaker, FAILURES - 1, 1.0, "b") == [0.0] * (FAILURES - 1)


def test_slow_failures_are_no_habit() -> None:
    """
    Failures that lie more than a minute apart never pause a hook.
    """
    breaker = Breaker()

    assert [breaker.bad(HOOK, "a", number * (WINDOW_S + 1)) for number in range(50)] == [0.0] * 50


@given(st.lists(st.sampled_from(["good", "good", "bad"]), max_size=200))
def test_a_hook_that_mostly_works_is_never_paused(ends: list[str]) -> None:
    """
    Whatever the order, failures pause only when they outnumber the good runs by five.
    """
    breaker, lead = Breaker(), 0
    for end in ends:
        if end == "good":
            breaker.good(HOOK)
            lead = max(0, lead - 1)
        else:
            lead += 1
            paused = breaker.bad(HOOK, "a", 0.0)
            assert bool(paused) == (lead == FAILURES)
            if paused:
                return
