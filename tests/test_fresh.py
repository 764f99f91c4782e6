"""
Fresh workers: one run each, locked and prepared ahead, never one of an old version or of another site.
"""

import asyncio
import os
import signal
import time
from typing import Any

import pytest

from hookd.sandbox.pool import Pool, Recipe, RunEnded, State
from tests.test_pool import ENDLESS, GOOD, SITE, load, with_pool

FRESH = 2  # prepared for each hook


def recipe(source: str) -> Recipe:
    return Recipe(SITE, load(source) | {"key": source})


async def run_fresh(pool: Pool, source: str, document: Any = None, *, hook: str = "hook", seconds: float = 10.0) -> Any:
    """Run *source* as the version of *hook*; return its answer and the process that gave it."""
    chosen, deadline = recipe(source), time.monotonic() + seconds
    worker = await pool.acquire("a", hook, deadline, recipe=chosen)
    told = [] if chosen.is_in(worker) else [chosen.site_message, chosen.load_message]
    order = {"t": "run", "key": source, "document": document, "settings": {}, "now": None}
    try:
        return (await pool.run(worker, [*told, order], deadline))[0]["ok"], worker.pid
    finally:
        pool.release(worker, hook)


async def until(pool: Pool, number: int) -> None:
    """Wait for *number* prepared workers."""
    end = time.monotonic() + 10
    while pool.states()[State.PREPARED] != number:
        assert time.monotonic() < end, pool.states()
        await asyncio.sleep(0.005)


def prepared(pool: Pool) -> set[int]:
    return {worker.pid for worker in pool._workers.values() if worker.state is State.PREPARED}


def test_every_run_has_a_process_of_its_own() -> None:
    """
    No process serves two runs, and none outlives its run.
    """

    async def work(pool: Pool) -> None:
        found = [await run_fresh(pool, GOOD, number) for number in range(12)]
        assert [answer for answer, _ in found] == list(range(12))
        assert len({pid for _, pid in found}) == 12
        await until(pool, FRESH)
        assert not {pid for _, pid in found} & prepared(pool)

    with_pool(work)


def test_workers_are_prepared_ahead() -> None:
    """
    After the first run a fixed number of workers is prepared, and the next run takes one of them.
    """

    async def work(pool: Pool) -> None:
        await run_fresh(pool, GOOD)
        for _ in range(3):
            await until(pool, FRESH)
            ready = prepared(pool)
            _, pid = await run_fresh(pool, GOOD)
            assert pid in ready

    with_pool(work)


def test_more_runs_than_prepared_workers_wait_for_forks() -> None:
    """
    Runs beyond the prepared workers are served all the same, by workers that are forked for them.
    """

    async def work(pool: Pool) -> None:
        await run_fresh(pool, GOOD)
        found = await asyncio.gather(*[run_fresh(pool, GOOD, number) for number in range(20)])
        assert [answer for answer, _ in found] == list(range(20))
        assert len({pid for _, pid in found}) == 20

    with_pool(work, workers_max=6)


def test_an_old_version_is_never_run() -> None:
    """
    Workers that were prepared for the hook as it was before the save serve nobody.
    """

    async def work(pool: Pool) -> None:
        await run_fresh(pool, GOOD)
        await until(pool, FRESH)
        old = prepared(pool)
        answer, pid = await run_fresh(pool, "def hook(request):\n    return 'new'\n")
        assert answer == "new"
        assert pid not in old
        await until(pool, FRESH)
        assert not old & prepared(pool)

    with_pool(work)


def test_prepared_workers_leave_room() -> None:
    """
    At most half of the workers are prepared, however many hooks want some, and warm runs go on.
    """

    async def work(pool: Pool) -> None:
        for number in range(6):
            await run_fresh(pool, GOOD, hook=f"hook {number}")
        await until(pool, 3)
        deadline = time.monotonic() + 5
        worker = await pool.acquire("b", "warm", deadline)
        pool.release(worker, "warm")
        assert worker.pid

    with_pool(work, workers_max=6)


def test_a_prepared_worker_may_die() -> None:
    """
    Prepared workers that were killed cost no run that comes later.
    """

    async def work(pool: Pool) -> None:
        await run_fresh(pool, GOOD)
        await until(pool, FRESH)
        for pid in prepared(pool):
            os.kill(pid, signal.SIGKILL)
        await until(pool, 0)
        assert (await run_fresh(pool, GOOD, 7))[0] == 7
        await until(pool, FRESH)

    with_pool(work)


def test_a_hook_that_hangs_is_killed_and_replaced() -> None:
    """
    A deadline ends a fresh worker as it does any other, and the next run has one.
    """

    async def work(pool: Pool) -> None:
        with pytest.raises(RunEnded):
            await run_fresh(pool, ENDLESS, seconds=0.3)
        assert (await run_fresh(pool, GOOD, 1, hook="other"))[0] == 1

    with_pool(work)


def test_a_site_that_is_gone_takes_its_prepared_workers_along() -> None:
    """
    Nothing that was told of a site outlives it.
    """

    async def work(pool: Pool) -> None:
        await run_fresh(pool, GOOD)
        await until(pool, FRESH)
        pool.forget_site("a")
        assert pool.states()[State.PREPARED] == 0
        await asyncio.sleep(0.1)
        assert pool.states()[State.PREPARED] == 0

    with_pool(work)
