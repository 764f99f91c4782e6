"""
The engine: an attempt with a record is never done again, one without is, and no other program is asked.
"""

import json
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hookd.consumer.engine import NAME, Attempt, DurableEngine, Interrupted, JsonSerializer
from hookd.documents import Json

KIND = "job"
WAIT_S = 20.0


class Work:
    """What attempts do in a test, and what was done."""

    def __init__(self, do: Callable[[str, int], Json] = lambda job, number: {"of": job}) -> None:
        self.do = do
        self.done: list[tuple[str, int]] = []
        self.noted: list[tuple[str, int, Json]] = []

    def __call__(self, job: str, number: int) -> Json:
        self.done.append((job, number))
        return self.do(job, number)

    def engine(self, state: Path) -> DurableEngine:
        engine = DurableEngine(state, self, lambda *note: self.noted.append(note), at_once=4)
        engine.start([KIND])
        return engine


def wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_attempt_is_done_once(tmp_path: Path) -> None:
    """
    Its result is told and kept; enqueued again under its id, by this engine or the next one, it is not done again.
    """
    work = Work()
    first = work.engine(tmp_path)
    first.enqueue(KIND, "a-1", "a", 1)
    wait(lambda: bool(work.noted))
    first.enqueue(KIND, "a-1", "a", 1)
    wait(lambda: not first.found(["a-1"])["a-1"].is_open)
    first.stop()

    second = work.engine(tmp_path)
    second.enqueue(KIND, "a-1", "a", 1)
    second.enqueue(KIND, "b-1", "b", 1)
    wait(lambda: len(work.noted) == 2)

    assert second.found(["a-1", "b-1", "c-1"])["a-1"] == Attempt(is_open=False, result={"of": "a"})
    assert set(second.found(["c-1"])) == set()
    second.stop()
    assert work.done == [("a", 1), ("b", 1)]
    assert work.noted == [("a", 1, {"of": "a"}), ("b", 1, {"of": "b"})]


def test_an_interrupted_attempt_is_begun_again(tmp_path: Path) -> None:
    """
    What raises Interrupted has no record: the next engine does it, under the same number.
    """

    def interrupt(job: str, number: int) -> Json:
        raise Interrupted

    work = Work(interrupt)
    first = work.engine(tmp_path)
    first.enqueue(KIND, "a-3", "a", 3)
    wait(lambda: bool(work.done))
    first.stop()
    assert work.noted == []

    work.do = lambda job, number: "done"
    second = work.engine(tmp_path)
    wait(lambda: bool(work.noted))

    second.stop()
    assert work.done == [("a", 3), ("a", 3)]
    assert work.noted == [("a", 3, "done")]


def test_an_attempt_that_raises_is_given_up_with_its_error(tmp_path: Path) -> None:
    """
    The consumer's own mistake ends an attempt, with its words, and is not repeated for ever.
    """

    def fail(job: str, number: int) -> Json:
        raise ValueError("no such thing")

    work = Work(fail)
    engine = work.engine(tmp_path)
    engine.enqueue(KIND, "a-1", "a", 1)

    wait(lambda: not engine.found(["a-1"]).get("a-1", Attempt(is_open=True)).is_open)

    assert engine.found(["a-1"])["a-1"] == Attempt(is_open=False, error="error: no such thing")
    engine.stop()


def test_old_records_are_deleted_in_steps(tmp_path: Path) -> None:
    """
    Records of attempts that ended before a time go, a hundred at a time; the others stay.
    """
    work = Work()
    engine = work.engine(tmp_path)
    for number in range(101):
        engine.enqueue(KIND, f"a-{number}", "a", number)
    wait(lambda: len(work.noted) == 101)
    wait(lambda: not any(attempt.is_open for attempt in engine.found([f"a-{n}" for n in range(101)]).values()))

    steps = [engine.forget(time.time() - 60), engine.forget(time.time() + 1), engine.forget(time.time() + 1)]

    assert steps == [0, 100, 1]
    assert engine.found([f"a-{n}" for n in range(101)]) == {}
    engine.stop()


def test_nothing_is_pickled_printed_or_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The database is the owner's alone and holds JSON; DBOS says nothing by itself, and its threads end.
    """
    before = set(threading.enumerate())
    work = Work()
    engine = work.engine(tmp_path)
    engine.enqueue(KIND, "a-1", "a", 1)
    wait(lambda: bool(work.noted))
    engine.stop()

    wait(lambda: not {one for one in threading.enumerate() if "dbos-executor" not in one.name} - before)
    assert capfd.readouterr() == ("", "")
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


def test_the_serializer_is_json() -> None:
    """
    Values come back as they were; an exception keeps its words.
    """
    serializer = JsonSerializer()
    value = {"args": ["a", 1], "kwargs": {}}

    assert json.loads(serializer.serialize(value)) == {"value": value}
    assert serializer.deserialize(serializer.serialize(value)) == value
    assert str(serializer.deserialize(serializer.serialize(ValueError("no")))) == "no"
