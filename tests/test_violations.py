"""
Who is blamed for what no hook may do: the one that did it, and nobody else.

The workers here have no language layer, so that a hook can do it at all.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hookd.quarantine import Quarantine
from hookd.sandbox.pool import Pool, RunEnded, State
from tests.test_pool import SITE

ZYGOTE = (sys.executable, "-I", "-B", str(Path(__file__).parent / "raw" / "zygote.py"))
GOOD = "def hook(request):\n    return request\n"
SOCKET = "import socket\ndef hook(request):\n    socket.socket()\n"
# Answers by itself, then does it: nobody waits for anything any more.
LATER = """
import os, socket, struct

def hook(request):
    body = b'{"t": "done", "ok": null, "cpu_s": 0.1, "rss_kb": 1000}'
    os.write(3, struct.pack(">I", len(body)) + body)
    socket.socket()
"""
# Takes the next run, which is another hook's, and does it then.
FOR_ANOTHER = """
import os, socket, struct

def hook(request):
    body = b'{"t": "done", "ok": null, "cpu_s": 0.1, "rss_kb": 1000}'
    os.write(3, struct.pack(">I", len(body)) + body)
    os.read(3, 4)
    socket.socket()
"""

Accused = list[tuple[str, dict[str, set[str]], str]]


def with_pool(work: Callable[[Pool, Accused], Awaitable[None]]) -> None:
    async def run() -> None:
        accused: Accused = []
        pool = Pool(
            workers_max=4,
            spares=1,
            on_violation=lambda site, hosted, detail: accused.append((site, dict(hosted), detail)),
            zygote=ZYGOTE,
        )
        await pool.start()
        try:
            await work(pool, accused)
        finally:
            await pool.close()

    asyncio.run(run())


async def ask(pool: Pool, name: str, source: str) -> Any:
    deadline = time.monotonic() + 10
    worker = await pool.acquire("a", name, deadline)
    load = {"t": "load", "key": f"{name}-1", "kind": "raw", "name": name, "file": "hook.py", "source": source}
    run: dict[str, Any] = {"t": "run", "key": f"{name}-1", "document": {}, "settings": {}, "now": None}
    try:
        return (await pool.run(worker, [SITE, load, run], deadline))[0]["ok"]
    finally:
        pool.release(worker, name)


async def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_run_that_does_it_is_told_and_names_the_call() -> None:
    """
    A hook that opens a socket is killed, its run says violation, and the system call is named.
    """

    async def work(pool: Pool, accused: Accused) -> None:
        with pytest.raises(RunEnded, match="violation: system call socket"):
            await ask(pool, "bad", SOCKET)
        assert accused == [("a", {"bad": {"bad-1"}}, "system call socket")]

    with_pool(work)


def test_what_is_done_after_the_answer_is_told_too() -> None:
    """
    A hook that answers first and opens a socket then is accused all the same.
    """

    async def work(pool: Pool, accused: Accused) -> None:
        assert await ask(pool, "bad", LATER) is None
        await until(lambda: bool(accused))
        assert accused == [("a", {"bad": {"bad-1"}}, "system call socket")]
        assert await ask(pool, "good", GOOD) == {}

    with_pool(work)


def test_in_a_shared_worker_all_that_ran_are_named() -> None:
    """
    Where several hooks were executed in the worker, all of them are named, for nobody knows which one did it.
    """

    async def work(pool: Pool, accused: Accused) -> None:
        assert await ask(pool, "bad", FOR_ANOTHER) is None
        await until(lambda: pool.states()[State.IDLE] == 1)
        with pytest.raises(RunEnded, match="violation"):
            await ask(pool, "good", GOOD)
        assert accused == [("a", {"bad": {"bad-1"}, "good": {"good-1"}}, "system call socket")]

    with_pool(work)


def test_only_who_was_alone_is_quarantined() -> None:
    """
    The hook that was alone in its worker goes into quarantine; those that shared one run alone from now on.
    """
    quarantine = Quarantine(None)

    quarantine.blame("a", {"bad": {"1"}, "good": {"2"}}, "system call socket")
    assert (quarantine.why("a", "bad", "1"), quarantine.why("a", "good", "2")) == ("", "")
    assert quarantine.is_suspect("1")
    assert quarantine.is_suspect("2")

    quarantine.blame("a", {"bad": {"1"}}, "system call socket")
    assert quarantine.why("a", "bad", "1") == "system call socket"
    assert quarantine.why("a", "good", "2") == ""
