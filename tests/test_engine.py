"""
The engine: an attempt with a record is never done again, one without is, and no other program is asked.
"""

import json
import stat
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from hookd.consumer.engine import NAME, Attempt, Batch, DurableEngine, Interrupted, JsonSerializer, Result
from hookd.documents import Json

WAIT_S = 20.0
A1, A3, B1 = Attempt("a", 1), Attempt("a", 3), Attempt("b", 1)


class Work:
    """What attempts do in a test, and what was done; `do` returns None where an attempt is interrupted."""

    def __init__(self, do: Callable[[Attempt], Json] = lambda attempt: {"of": attempt.job}) -> None:
        self.do = do
        self.done: list[Attempt] = []
        self.noted: list[Result] = []
        self.adopted: Mapping[str, Batch] = {}
        self.kept = 0
        self.keeps = True

    def begin(self, attempts: Sequence[Attempt], ended: Callable[[Result], None]) -> None:
        self.done += attempts
        for attempt in attempts:
            ended(Result(attempt, self.do(attempt)))

    def keep(self) -> None:
        if not self.keeps:
            raise Interrupted
        self.kept += 1

    def engine(self, state: Path) -> DurableEngine:
        engine = DurableEngine(state, begin=self.begin, note=self.noted.extend, keep=self.keep)
        self.adopted = engine.start()
        return engine


def wait(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def closed(engine: DurableEngine, *ids: str) -> None:
    """Wait until these batches are closed."""
    wait(lambda: [batch.is_open for batch in engine.found(ids).values()] == [False] * len(ids))


def test_an_attempt_is_done_once(tmp_path: Path) -> None:
    """
    Its result is told and kept, then its batch is closed; the next engine has nothing to do with it.
    """
    work = Work()
    first = work.engine(tmp_path)
    first.begin("x", [A1, B1])
    closed(first, "x")
    first.stop()

    second = work.engine(tmp_path)
    second.begin("y", [A3])
    closed(second, "x", "y")

    assert second.found(["x", "y", "z"]) == {"x": Batch(is_open=False), "y": Batch(is_open=False)}
    assert work.adopted == {}
    second.stop()
    assert work.done == [A1, B1, A3]
    assert work.noted == [Result(A1, {"of": "a"}), Result(B1, {"of": "b"}), Result(A3, {"of": "a"})]
    assert work.kept == 2


def test_results_are_recorded_while_others_are_being_done(tmp_path: Path) -> None:
    """
    An attempt that takes long holds up no other's record.
    """
    held: list[Callable[[], None]] = []
    work = Work()

    def begin(attempts: Sequence[Attempt], ended: Callable[[Result], None]) -> None:
        ended(Result(A1, "soon"))
        held.append(lambda: ended(Result(B1, "late")))

    engine = DurableEngine(tmp_path, begin=begin, note=work.noted.extend, keep=work.keep)
    engine.start()
    engine.begin("x", [A1, B1])
    wait(lambda: work.noted == [Result(A1, "soon")])
    assert engine.is_busy

    held[0]()

    closed(engine, "x")
    assert work.noted == [Result(A1, "soon"), Result(B1, "late")]
    engine.stop()


def test_an_interrupted_attempt_is_begun_again(tmp_path: Path) -> None:
    """
    What was interrupted has no record: the next engine does it, under the same number, and nothing else of its batch.
    """
    work = Work(lambda attempt: None if attempt == A3 else "done")
    first = work.engine(tmp_path)
    first.begin("x", [A3, B1])
    wait(lambda: bool(work.noted) and not first.is_busy)
    first.stop()
    assert work.noted == [Result(B1, "done")]

    work.do = lambda attempt: "at last"
    second = work.engine(tmp_path)
    assert work.adopted == {"x": Batch(is_open=True, attempts=(A3, B1))}
    closed(second, "x")

    second.stop()
    assert work.done == [A3, B1, A3]
    assert work.noted == [Result(B1, "done"), Result(B1, "done"), Result(A3, "at last")]


def test_what_is_recorded_and_not_kept_is_told_again(tmp_path: Path) -> None:
    """
    A batch whose results did not come onto the disk elsewhere stays open: the next engine tells them, and does nothing.
    """
    work = Work()
    work.keeps = False
    first = work.engine(tmp_path)
    first.begin("x", [A1])
    wait(lambda: bool(work.noted) and not first.is_busy)
    first.stop()

    work.keeps = True
    second = work.engine(tmp_path)
    closed(second, "x")

    second.stop()
    assert work.done == [A1]
    assert work.noted == [Result(A1, {"of": "a"})] * 2


def test_a_batch_that_raises_is_given_up_with_its_error(tmp_path: Path) -> None:
    """
    The consumer's own mistake ends a batch, with its words, and is not repeated for ever.
    """

    def fail(attempt: Attempt) -> Json:
        raise ValueError("no such thing")

    engine = Work(fail).engine(tmp_path)
    engine.begin("x", [A1])

    closed(engine, "x")

    assert engine.found(["x"]) == {"x": Batch(is_open=False, error="error: no such thing")}
    engine.stop()


def test_old_records_are_deleted_in_steps(tmp_path: Path) -> None:
    """
    Records of batches that ended before a time go, a hundred at a time; the others stay.
    """
    work = Work()
    engine = work.engine(tmp_path)
    ids = [f"x{number}" for number in range(101)]
    for id_ in ids:
        engine.begin(id_, [A1])
    closed(engine, *ids)

    steps = [engine.forget(time.time() - 60), engine.forget(time.time() + 1), engine.forget(time.time() + 1)]

    assert steps == [0, 100, 1]
    assert engine.found(ids) == {}
    engine.stop()


def test_nothing_is_pickled_printed_or_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The database is the owner's alone and holds JSON; DBOS says nothing by itself, and its threads end.
    """
    before = set(threading.enumerate())
    work = Work()
    engine = work.engine(tmp_path)
    engine.begin("x", [A1])
    closed(engine, "x")
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
