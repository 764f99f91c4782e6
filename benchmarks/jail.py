"""
`python -m benchmarks.jail`: what the jail costs: the sandbox's start, a lock-down, an idle worker, a fresh one a run.

Exit codes: 0 fine; 1 the sandbox did not start.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from benchmarks import request
from benchmarks.request import POINT
from hookd import documents
from hookd.errors import SandboxError
from hookd.sandbox.pool import Pool, Recipe
from hookd.settings import SiteSettings
from hookd.sites import site_message

SITE = site_message(SiteSettings("UTC", "RU", "", {}, (), ()))
HOOK = Path(__file__).with_name("hook.py").read_text("utf-8")
LOAD = {"t": "load", "key": "k", "kind": "point", "name": POINT, "file": f"{POINT}.py", "source": HOOK, "libs": {}}
RECIPE = Recipe(SITE, LOAD)
WAIT_S = 5.0
IDLE_WORKERS = (4, 8)  # the more there are, the smaller the part of each in what they share; 8 is workers_max
STARTS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jail", description="what the jail costs")
    parser.add_argument("--seconds", type=float, default=10.0, help="of calls, warm and fresh each (10)")
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second (50)")
    options = parser.parse_args(arguments)
    # What workers have to say is no part of the table.
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        figures = asyncio.run(measure(options.seconds, options.rate))
    except SandboxError as error:
        print(error, file=sys.stderr)
        return 1
    for name, value in figures:
        print(f"{name:<44}{value:>10}")
    return 0


async def measure(seconds: float, rate: float) -> list[tuple[str, str]]:
    """
    Return what was measured: a name and a figure with its unit each.

    Raises:
        SandboxError: The sandbox did not start.
    """
    starts = [await _start() for _ in range(STARTS)]
    pool = Pool(workers_max=max(IDLE_WORKERS), spares=1)
    await pool.start()
    try:
        memory = [await _memory(pool, number) for number in IDLE_WORKERS]
        warm, fresh = await _calls(pool, seconds, rate)
    finally:
        await pool.close()
    figures = [("isolation level", pool.isolation.name)]
    figures += [(f"{name}, median of {STARTS}", f"{_median(starts, name):.2f} ms") for name in starts[0]]
    for number, megabytes in zip(IDLE_WORKERS, memory, strict=True):
        figures.append((f"memory of an idle worker of {number} (PSS)", f"{megabytes:.1f} MB"))
    for name, times in (("warm", warm), ("fresh", fresh)):
        p50, p99 = _percentile(times, 50), _percentile(times, 99)
        figures.append((f"{name} run at {rate:g} calls/s, p50 / p99", f"{p50:.2f} / {p99:.2f} ms"))
    figures.append(("fresh over warm, p50", f"{_percentile(fresh, 50) - _percentile(warm, 50):+.2f} ms"))
    return figures


async def _start() -> dict[str, float]:
    """How long the parts of a start take, in ms."""
    pool = Pool(workers_max=2, spares=0)
    started = time.monotonic()
    await pool.start()
    ready = (time.monotonic() - started) * 1000
    times = pool.isolation.times_ms
    await pool.close()
    parts = {"warm-up": times["warm_up"], "probe": times["probe"], "lock-down of a worker": times["lock"]}
    return {"start of the sandbox until its first worker": ready, **parts}


async def _memory(pool: Pool, count: int) -> float:
    """Megabytes that an idle worker which has run the hook adds (PSS: what it shares counts in part)."""
    deadline = time.monotonic() + WAIT_S
    workers = [await pool.acquire("a", number, deadline) for number in range(count)]
    for number, worker in enumerate(workers):
        await pool.run(worker, _messages(), deadline)
        pool.release(worker, number)
    return statistics.mean(_pss(worker.pid) for worker in workers)


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def _calls(pool: Pool, seconds: float, rate: float) -> tuple[list[float], list[float]]:
    """
    Milliseconds of each run, from asking for a worker to giving it back, warm and fresh in turn.
    """
    warm: list[float] = []
    fresh: list[float] = []
    document = documents.parse(request.body())
    begin = time.monotonic()
    for number in range(int(2 * seconds * rate)):
        await asyncio.sleep(max(0.0, begin + number / rate / 2 - time.monotonic()))
        await (_run(pool, document, None, warm) if number % 2 else _run(pool, document, RECIPE, fresh))
    return warm, fresh


async def _run(pool: Pool, document: Any, recipe: Recipe | None, times: list[float]) -> None:
    started = time.monotonic()
    site = "fresh" if recipe else "warm"
    worker = await pool.acquire(site, site, started + WAIT_S, recipe=recipe)
    is_told = recipe.is_in(worker) if recipe else bool(worker.loaded)
    messages = _messages(document)[2 if is_told else 0 :]
    worker.loaded.add("k")
    await pool.run(worker, messages, started + WAIT_S)
    pool.release(worker, site)
    times.append((time.monotonic() - started) * 1000)


def _messages(document: Any = None) -> list[dict[str, Any]]:
    run = {"t": "run", "key": "k", "document": document or {"phone": "1"}, "settings": {}, "now": None}
    return [SITE, LOAD, run]


def _median(starts: list[dict[str, float]], name: str) -> float:
    return statistics.median(times[name] for times in starts)


def _percentile(times: list[float], percent: int) -> float:
    return sorted(times)[len(times) * percent // 100]


if __name__ == "__main__":
    sys.exit(main())
