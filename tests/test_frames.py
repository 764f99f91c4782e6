"""
What a worker that a hook has taken over may send, and what the broker makes of it.

A plain socket stands in for the worker, and hypothesis for whoever holds it: any bytes, any JSON, honest messages in
the wrong order, frames that are cut off or too large, all of it in pieces cut anywhere.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookd.sandbox import wire
from hookd.sandbox.pool import End, Pool, RunEnded, State
from tests.test_pool import DONE, GOOD, SITE, Taken, load, messages, run_once

DEADLINE_S = 0.04
PATIENCE_S = 20.0  # far beyond the deadline: a run that has not ended by then never would have
CHECKED: dict[str, Any] = {
    "t": "checked",
    **{key: [] for key in ("problems", "warnings", "libs", "settings_keys", "tools", "lists", "jobs", "templates")},
    "returned_keys": [],
    "returned_values": [],
}
ERROR = {"code": "error", "file": "f", "line": 1, "message": "m", "remedy": ""}

ASKED = {
    "run": messages(GOOD, 1),
    "check": [SITE, {**load(GOOD), "t": "check"}],
}


@dataclass
class Broker:
    """A pool with its event loop, and what was raised out of that."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    errors: list[dict[str, Any]]
    runs: int = 0


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker for thousands of examples."""
    loop = asyncio.new_event_loop()
    pool = Pool(workers_max=4, spares=1)
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    loop.run_until_complete(pool.start())
    yield Broker(loop, pool, errors)
    loop.run_until_complete(pool.close())
    loop.close()


# --- what is sent ------------------------------------------------------------------------------------------------

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
HONEST: st.SearchStrategy[Any] = st.sampled_from(
    [
        DONE,
        {**DONE, "ok": {"data": [1, "x"]}},
        {"t": "done", "cancel": True, "cpu_s": 0.1, "rss_kb": 1},
        {"t": "done", "error": ERROR, "cpu_s": 0.1, "rss_kb": 1},
        {"t": "ready"},
        {"t": "print", "text": "x"},
        CHECKED,
        {**CHECKED, "problems": [{"file": "f", "line": 1, "message": "m", "remedy": ""}]},
    ]
)
KEYS = (
    "ok",
    "error",
    "cancel",
    "text",
    "cpu_s",
    "rss_kb",
    "problems",
    "libs",
    "warnings",
    "settings_keys",
    "tools",
    "lists",
    "jobs",
    "templates",
    "returned_keys",
    "returned_values",
    "id",
    "pid",
)
ODD: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"t": st.sampled_from(["done", "print", "ready", "checked", "call", "site", "run", "x", 5, None, [], {}])},
    optional=dict.fromkeys(KEYS, JSON),
)
BODIES = st.sampled_from(
    [
        b"",
        b"null",
        b"NaN",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'{"t":"done","ok":NaN,"cpu_s":0.1,"rss_kb":1}',
        b'{"t":"done","ok":1e999999,"cpu_s":0.1,"rss_kb":1}',
        b'{"t":"done","ok":' + b"9" * 20_000 + b',"cpu_s":0.1,"rss_kb":1}',
        *(
            b'{"t":"done","ok":' + b"[" * depth + b"]" * depth + b',"cpu_s":0.1,"rss_kb":1}'
            for depth in (64, 65, 500, 1000)
        ),
        b'{"t":"done","ok":' + b"[" * 50_000 + b',"cpu_s":0.1,"rss_kb":1}',
        b'{"t":"done","ok":"\\ud800","cpu_s":0.1,"rss_kb":1}',
        b'{"t":"print","t":"done","ok":1,"ok":2,"cpu_s":0.1,"rss_kb":1}',
        b'{"t":"done","ok":1,"cpu_s":0.1,"rss_kb":1} {"t":"done"}',
        json.dumps({"t": "print", "text": "x" * 140_000}).encode(),
        json.dumps({"t": "done", "error": {**ERROR, "message": "x" * 5000}, "cpu_s": 0.1, "rss_kb": 1}).encode(),
    ]
)
PIECES = st.one_of(
    HONEST.map(wire.pack),
    (HONEST | ODD | JSON).map(lambda value: wire.frame(json.dumps(value).encode())),
    BODIES.map(wire.frame),
    st.binary(max_size=40).map(wire.frame),
    st.binary(max_size=40),
    st.integers(0, 2**32 - 1).map(wire.HEADER.pack),
)
STREAMS = st.lists(PIECES, max_size=5).map(b"".join)
CUTS = st.lists(st.floats(0, 1), max_size=4)


def cut(stream: bytes, where: list[float]) -> list[bytes]:
    """Return *stream* in pieces."""
    ends = sorted({int(share * len(stream)) for share in where} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


# --- what has to come of it --------------------------------------------------------------------------------------


def expected(asked: str, stream: bytes, *, hangs: bool) -> list[Any]:
    """
    Return the ends that a run may have: an End, or the answer that the stream holds.

    There are two where the answer is followed by a frame that is too large, since both may come at once.
    """
    position, printed = 0, 0
    while position + wire.HEADER.size <= len(stream):
        (size,) = wire.HEADER.unpack_from(stream, position)
        body = stream[position + wire.HEADER.size :][:size]
        position += wire.HEADER.size + size
        if size > wire.MAX_FRAME_BYTES:
            return [End.VIOLATION]
        if len(body) < size:
            break
        message = _parsed(body)
        if message is None:
            return [End.VIOLATION]
        if message.get("t") == "print":
            text = message.get("text")
            if type(text) is not str or not text or printed > 131_072:
                return [End.VIOLATION]
            printed += len(text)
            continue
        return [message, End.VIOLATION] if _is_answer(asked, message) else [End.VIOLATION]
    return [End.TIMEOUT if hangs else End.CRASH]


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except ValueError:
        return None
    return found if type(found) is dict and _fits(found, 1 + 64) else None


def _fits(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_fits(child, levels - 1) for child in inner)


def _is_answer(asked: str, message: dict[str, Any]) -> bool:
    if message.get("t") != {"run": "done", "check": "checked"}[asked]:
        return False
    try:
        wire.check_answer(asked, message)
    except (wire.FrameError, LookupError, TypeError, ValueError):
        return False
    return True


LAWS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@LAWS
@given(stream=STREAMS, where=CUTS, asked=st.sampled_from(list(ASKED)), hangs=st.booleans())
def test_a_run_has_one_end(broker: Broker, stream: bytes, where: list[float], asked: str, hangs: bool) -> None:
    """
    Whatever a worker sends and however it ends or does not, the run ends: with the answer that the checks let through,
    or with the reason. The event loop sees no exception, and the next run of an honest worker is answered.
    """

    ends = expected(asked, stream, hangs=hangs)
    # The deadline is short where it is what ends the run: elsewhere a busy machine must not come before the answer.
    seconds = DEADLINE_S if End.TIMEOUT in ends else PATIENCE_S / 2

    async def work() -> Any:
        taken = Taken(broker.pool)
        asking = broker.pool.run(taken.worker, ASKED[asked], time.monotonic() + seconds)
        run = asyncio.create_task(asyncio.wait_for(asking, PATIENCE_S))
        await asyncio.sleep(0)
        for piece in cut(stream, where):
            await taken.send(piece)
            await asyncio.sleep(0)
        if not hangs:
            taken.theirs.close()
            await asyncio.sleep(0)
            if taken.worker.number in broker.pool._workers:
                broker.pool._forget(taken.worker, 0)
        [end] = await asyncio.gather(run, return_exceptions=True)
        _forget(broker.pool, taken)
        return end

    end = broker.loop.run_until_complete(work())

    found = end.end if isinstance(end, RunEnded) else end[0]
    assert found in ends
    _assert_serves(broker)


@LAWS
@given(stream=STREAMS, where=CUTS, state=st.sampled_from([State.STARTING, State.SPARE, State.IDLE]))
def test_a_worker_that_was_not_asked_says_ready_at_most(
    broker: Broker, stream: bytes, where: list[float], state: State
) -> None:
    """
    What comes unasked ends the worker, but for the one message by which it becomes a spare.
    """

    async def work() -> State:
        taken = Taken(broker.pool)
        taken.worker.state = state
        for piece in cut(stream, where):
            await taken.send(piece)
            await asyncio.sleep(0.001)
        found = taken.worker.state
        _forget(broker.pool, taken)
        return found

    found = broker.loop.run_until_complete(work())

    assert found in _states_after(state, stream)
    _assert_serves(broker)


def _states_after(state: State, stream: bytes) -> set[State]:
    reader = wire.Reader()
    try:
        bodies = reader.feed(stream)
    except wire.FrameError:
        return {State.ENDING}
    for body in bodies:
        if state is not State.STARTING or (_parsed(body) or {}).get("t") != "ready":
            return {State.ENDING}
        state = State.SPARE
    return {state}


def _forget(pool: Pool, taken: Taken) -> None:
    """No process stands behind it: nobody reports its end."""
    taken.theirs.close()
    if taken.worker.number in pool._workers:
        pool._kill(taken.worker)
        pool._forget(taken.worker, 0)


def _assert_serves(broker: Broker) -> None:
    broker.runs += 1
    assert broker.loop.run_until_complete(run_once(broker.pool, GOOD, broker.runs, seconds=PATIENCE_S)) == broker.runs
    assert broker.errors == []


@LAWS
@given(early_s=st.floats(-0.004, 0.004), asked=st.sampled_from(list(ASKED)))
def test_an_answer_at_the_deadline_is_an_answer_or_late(broker: Broker, early_s: float, asked: str) -> None:
    """
    Where answer and deadline come at once, the first one counts, the run has that one end, and the next run of the same
    site gets its own answer.
    """
    answers: dict[str, Any] = {"run": DONE, "check": CHECKED}
    answer = answers[asked]

    async def work() -> Any:
        taken = Taken(broker.pool)
        deadline = time.monotonic() + 0.006
        run = asyncio.create_task(broker.pool.run(taken.worker, ASKED[asked], deadline))
        await asyncio.sleep(deadline - early_s - time.monotonic())
        await taken.send(wire.pack(answer))
        [end] = await asyncio.gather(run, return_exceptions=True)
        _forget(broker.pool, taken)
        return end

    end = broker.loop.run_until_complete(work())

    assert (end.end if isinstance(end, RunEnded) else end[0]) in (End.TIMEOUT, answer)
    _assert_serves(broker)


@pytest.mark.parametrize(("depth", "is_taken"), [(64, True), (65, False), (1000, False)])
@pytest.mark.parametrize("shape", [("[", "]"), ('{"a":', "}")])
def test_an_answer_is_no_deeper_than_a_hooks_result(shape: tuple[str, str], depth: int, is_taken: bool) -> None:
    """
    Lists in lists that the parser takes, but that exhaust the stack of whoever reads on, no honest worker sends.
    """
    inner = shape[0] * (depth - 1) + "[]" + shape[1] * (depth - 1)
    body = f'{{"t":"done","ok":{inner},"cpu_s":0.1,"rss_kb":1}}'.encode()

    if is_taken:
        assert wire.parse(body) == orjson.loads(body)
    else:
        with pytest.raises(wire.FrameError, match="nested more than 65 deep"):
            wire.parse(body)
