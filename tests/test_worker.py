"""
Hooks in real workers: the corpus of ordinary Python gives what it should, the corpus of attacks gets nowhere.
"""

import asyncio
import os
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hookd import settings
from hookd.answers import act
from hookd.points import POINTS
from hookd.portal.oauth import ADDRESSES
from hookd.runs import Run
from hookd.sandbox.pool import Pool
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.sites import site_message
from hookd.tools import StandIn
from tests import corpus
from tests.conftest import is_alive

POINT = POINTS[corpus.FUNCTION]
ATTACKS = sorted((Path(__file__).parent / "attacks").glob("*.py"))
TIMEOUT_S = 1.0
RUN_S = 20.0  # for a snippet of the corpus, on a busy machine

Result = TypeVar("Result")


class Loop:
    """
    An event loop in a thread, and a service on it: what an HTTP process is, without HTTP.
    """

    def __init__(
        self,
        directory: Path,
        config: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        authorities: Mapping[str, str] = ADDRESSES,
    ) -> None:
        self.directory = directory
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        (directory / "hooks" / "lib").mkdir(parents=True)
        for name, source in corpus.libs().items():
            (directory / "hooks" / "lib" / f"{name}.py").write_text(source)
        path = directory / "hookd.toml"
        path.write_text(f"workers_max = 4\n[points.{POINT.name}]\ntimeout_s = {timeout_s}\n{config}")
        self.service = Service(settings.load(path, directory), keeps=False, authorities=authorities)
        self.do(self.service.start(follow=False))

    @property
    def pool(self) -> Pool:
        return self.service.pool

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> list[int]:
        pids = self.pool.pids()
        self.do(self.service.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        return pids

    def run(self, source: str, request: Any = None, *, limit_s: float | None = None, stand_in: StandIn = act) -> Run:
        """Run *source* as the point's hook on the file system's way: saved, found, checked, run."""
        path = self.directory / "hooks" / corpus.FILE

        async def run() -> Run:
            site = self.service.sites.get(DEFAULT_SITE)
            assert site is not None
            path.unlink(missing_ok=True)  # or the last good version would stay in force
            await site.hooks.refresh()
            path.write_text(source)
            await site.hooks.refresh()
            document = {"phone": "1"} if request is None else request
            started = time.monotonic()
            return await self.service.runner.run(
                site, POINT, document, started=started, limit_s=limit_s, stand_in=stand_in
            )

        return self.do(run())

    def result(self, source: str, request: Any) -> Any:
        """Return what the function in *source* returns, whatever it is, from a worker of the site."""
        libs = corpus.libs()

        async def ask() -> Any:
            deadline = time.monotonic() + RUN_S
            worker = await self.pool.acquire("corpus", "corpus", deadline)
            load = {"kind": "point", "name": POINT.name, "file": corpus.FILE, "source": source, "libs": libs}
            messages = [
                site_message(self.service.settings.site),
                {"t": "load", "key": "k", **load},
                {"t": "run", "key": "k", "document": request, "settings": {}, "now": None},
            ]
            try:
                return (await self.pool.run(worker, messages, deadline))[0]
            finally:
                self.pool.release(worker, "corpus")

        return self.do(ask())


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """The service that the tests of this module share; nothing of it is left afterwards."""
    found = Loop(tmp_path_factory.mktemp("service"))
    yield found
    pids = found.close()
    assert not [pid for pid in pids if is_alive(pid)]


ORDINARY = {name: (source, expected) for name, source, expected in corpus.ordinary()}


def test_the_corpus_is_large() -> None:
    """
    There are at least 150 snippets of ordinary Python, and as many attacks.
    """
    assert len(ORDINARY) >= 150
    assert len(ATTACKS) >= 150


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_python_works(loop: Loop, name: str) -> None:
    """
    What integrators write gives in a worker what it gives in plain Python.
    """
    source, expected = ORDINARY[name]

    answer = loop.result(source, corpus.request())

    assert answer.get("ok", answer) == expected


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_attacks_get_nowhere(loop: Loop, path: Path) -> None:
    """
    Each attack ends as it says in its first line, the connector gets its own value or what it may set, and the pool
    answers the next run.
    """
    source = path.read_text()
    allowed = set(source.partition("\n")[0].removeprefix("# expect: ").split("|"))
    if "error" in allowed:
        allowed.add("load")  # the same, where it happens at the top of the file

    run = loop.run(source)

    outcome = run.reason if run.outcome == "fallback" else "ok"
    assert outcome in allowed, str(run.error)
    if run.outcome != "ok":
        assert run.reply == {"data": {"phone": "1"}, "state": "success"}
    assert loop.run(f"def {POINT.name}(request):\n    return {{'phone': 'next'}}\n").reply["data"] == {"phone": "next"}


def test_attacks_leave_nothing_behind(loop: Loop) -> None:
    """
    After all attacks there are no more workers than may be, none is busy, and no file was written.
    """
    states = loop.do(_states(loop.pool))

    assert states.get("busy", 0) == 0
    assert sum(states.values()) <= 4
    assert not list(Path("/tmp").glob("pwn*"))
    assert sorted(path.name for path in loop.directory.iterdir()) == ["hookd.toml", "hooks"]


async def _states(pool: Pool) -> dict[str, int]:
    await asyncio.sleep(0.5)  # what was killed last is reaped
    return {str(state): number for state, number in pool.states().items()}


def test_a_worker_has_nothing_of_ours(loop: Loop) -> None:
    """
    A worker's environment is what the zygote was given, its descriptors are the channel and /dev/null, and others of
    the same user may not look into it.
    """
    loop.result(f"def {POINT.name}(request):\n    return 1\n", {})
    while loop.do(_states(loop.pool)).get("starting"):  # what is not locked yet is no worker
        pass
    worker = loop.pool.pids()[-1]
    environment = Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")
    descriptors = {os.readlink(f"/proc/{worker}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{worker}/fd")}
    status = Path(f"/proc/{worker}/status").read_text()
    limits = Path(f"/proc/{worker}/limits").read_text()

    assert {entry.partition(b"=")[0] for entry in environment if entry} <= {b"LC_ALL", b"TZ"}
    assert descriptors == {"socket", "/dev/null"}
    assert "NoNewPrivs:\t1\n" in status
    assert f"Max address space         {256 * 1024 * 1024}" in limits
    assert "Max file size             0" in limits
    assert "Max open files            16" in limits
    assert "Max processes             0" in limits
    assert "Max core file size        0" in limits
