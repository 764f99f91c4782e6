"""
The brake against loops.
"""

from hookd.consumer import brake
from hookd.consumer.brake import RUNS_MAX, WINDOW_S, Brake


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_lets_ten_through_in_a_minute() -> None:
    """
    The eleventh of a key is refused until the first is a minute old; other keys do not count.
    """
    clock = Clock()
    brake_ = Brake(clock)

    first = [brake_.admit("a", str(number)) for number in range(RUNS_MAX + 2)]
    other = brake_.admit("b", "0")
    clock.now += WINDOW_S - 0.1
    early = brake_.admit("a", "x")
    clock.now += 0.2
    late = [brake_.admit("a", f"late {number}") for number in range(RUNS_MAX + 1)]

    assert (RUNS_MAX, WINDOW_S) == (10, 60.0)
    assert first == [True] * 10 + [False] * 2
    assert (other, early) == (True, False)
    assert late == [True] * 10 + [False]


def test_what_could_not_be_begun_counts_once() -> None:
    """
    An event that is given to the engine again and again, since the disk is full, is one event.
    """
    brake_ = Brake(Clock())

    again = [brake_.admit("a", "one") for _ in range(3 * RUNS_MAX)]
    others = [brake_.admit("a", str(number)) for number in range(RUNS_MAX)]

    assert again == [True] * 30
    assert others == [True] * 9 + [False]


def test_what_comes_now_and_then_is_never_refused() -> None:
    """
    Nine a minute go on for ever.
    """
    clock = Clock()
    brake_ = Brake(clock)

    found = []
    for number in range(100):
        found.append(brake_.admit("a", str(number)))
        clock.now += WINDOW_S / 9

    assert found == [True] * 100


def test_forgets_what_is_over() -> None:
    """
    A million objects that change once leave nothing behind.
    """
    clock = Clock()
    brake_ = Brake(clock)

    for number in range(3 * brake.SWEPT):
        brake_.admit(str(number), "0")
        clock.now += 1

    assert len(brake_._times) <= brake.SWEPT + 1
