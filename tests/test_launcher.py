"""
The broker's hold on the zygote, with zygotes that are not as they should be.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from hookd.errors import SandboxError
from hookd.sandbox.isolation import ALONE, ATTEMPTS, BENEATH
from hookd.sandbox.launcher import Launcher
from tests.conftest import is_alive

SECONDS = 60.0
REPORT = {
    "layers": {},
    "landlock_abi": 0,
    "seccomp_by": "",
    "uid": 0,
    "attempts": dict.fromkeys(ATTEMPTS, "SIGSYS"),
    "beneath": dict.fromkeys(BENEATH, "EACCES"),
    "alone": dict.fromkeys(ALONE, "ESRCH"),
    "differences": [],
    "times_ms": {},
}
UP = {"op": "up", "isolation": REPORT}
# A zygote in small: it says what it is told to, packet for packet, and then does what *end* says.
ZYGOTE = """
import os, socket, sys, time
control = socket.socket(fileno=int(sys.argv[2]))
for packet in eval(sys.argv[1])[0]:
    control.send(packet)
exec(eval(sys.argv[1])[1])
"""
WAIT = "control.recv(1)"


class Watched:
    """A launcher of a zygote that says *packets*, and what it was heard to tell of."""

    def __init__(self, packets: list[bytes], end: str = WAIT) -> None:
        self.events: list[str] = []
        self.ups = 0
        self.launcher = Launcher(
            on_exited=lambda number, status, call: self.events.append(f"exited {number} {status} {call}"),
            on_death=lambda: self.events.append("death"),
            on_up=lambda: self.events.append("up"),
            zygote=(sys.executable, "-c", ZYGOTE, repr((packets, end))),
        )

    async def until(self, event: str) -> None:
        async with asyncio.timeout(SECONDS):
            while event not in self.events:
                await asyncio.sleep(0.01)


def watch(watched: Watched, work: Callable[[], Awaitable[None]]) -> list[Any]:
    """Start *watched*, do *work*, close it, and return what was logged."""

    async def run() -> None:
        try:
            await watched.launcher.start()
            await work()
        finally:
            pids = watched.launcher.pids()
            await watched.launcher.close()
            assert not [pid for pid in pids if is_alive(pid)]

    with structlog.testing.capture_logs() as logs:
        asyncio.run(run())
    return logs


async def nothing() -> None:
    """Nothing."""


@pytest.mark.parametrize(
    "said",
    [
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'{"op": "down"}',
        b'{"op": "up"}',
        b'{"op": "up", "isolation": {"layers": []}}',
        json.dumps({**UP, "isolation": {**REPORT, "differences": ["x" * 120] * 300}}).encode(),
    ],
)
def test_nonsense_at_the_start_is_an_error(said: bytes) -> None:
    """
    What is not of the protocol, or larger than a packet, ends the start at once with the words themselves.
    """
    watched = Watched([said])

    with pytest.raises(SandboxError) as caught:
        watch(watched, nothing)

    assert str(caught.value) == f"the sandbox's zygote said what hookd does not understand: {said[:100]!r}"
    assert watched.events == ["death"]


def test_nonsense_later_ends_the_zygote() -> None:
    """
    A zygote that is up and not of its senses any more is killed, and another one takes its place.
    """
    exited = json.dumps({"op": "exited", "id": 1, "status": 9, "call": ""}).encode()
    watched = Watched([json.dumps(UP).encode(), exited], f"{WAIT}; control.send(b'{{}}'); {WAIT}")

    async def work() -> None:
        await watched.until("exited 1 9 ")
        assert watched.launcher.kill(7)  # any word, to which it says something odd
        await watched.until("up")

    logs = watch(watched, work)

    assert watched.events[:2] == ["exited 1 9 ", "death"]
    assert [line["event"] for line in logs] == ["zygote_talks_nonsense", "zygote_died", "zygote_restarted"]
    assert (logs[0]["said"], logs[1]["status"]) == ("b'{}'", -9)


def test_a_zygote_that_never_comes_up_is_left_to_who_started_it() -> None:
    """
    Its end is the end of the start, after its own last words; nobody starts another one behind their back.
    """
    watched = Watched([], "sys.exit(3)")

    with pytest.raises(SandboxError, match="ended while it started; see its message above"):
        watch(watched, nothing)

    assert watched.events == ["death"]


def test_a_slow_death_holds_nobody_up() -> None:
    """
    While a dying zygote is waited for the event loop goes on, and only then is there another one.
    """
    watched = Watched([json.dumps(UP).encode()], "control.recv(1); control.close(); time.sleep(60)")
    ticks = 0
    alive: list[bool] = []

    async def work() -> None:
        nonlocal ticks
        (pid,) = watched.launcher.pids()[:1]
        assert watched.launcher.kill(7)  # any word, upon which it leaves, and stays as a process
        await watched.until("death")
        alive.append(is_alive(pid))
        while "up" not in watched.events:
            ticks += 1
            await asyncio.sleep(0.01)
        alive.append(is_alive(pid))

    watch(watched, work)

    assert watched.events[:2] == ["death", "up"]
    assert alive == [True, False]
    assert ticks > 3
