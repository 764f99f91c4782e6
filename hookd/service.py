"""
The composition root: what an installation is made of, put together and taken apart.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import Mapping
from typing import Any

import structlog

from hookd import metrics
from hookd.runner import Runner
from hookd.sandbox.pool import Pool, RunEnded, State
from hookd.settings import Settings
from hookd.sites import Sites

CHECK_S = 5.0  # to compile a hook and execute its module body; 2 MB of source take 2 s

log = structlog.get_logger("hookd.service")


class Service:
    """
    One process's pool, sites and runner; everything in it belongs to the event loop that started it.

    Args:
        only: The one site whose hooks are loaded; None is all.
        keeps: Whether the last good version of a hook outlives a broken edit, in the state directory; commands take
            the files as they are, and write nothing.
    """

    def __init__(self, settings: Settings, *, only: str | None = None, keeps: bool = True) -> None:
        self.settings = settings
        self.pool = Pool(workers_max=settings.workers_max, spares=settings.spares, on_change=_count_workers)
        self.sites = Sites(settings, self.check, only=only, keeps=keeps)
        self.runner = Runner(self.pool)
        self.is_ready = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self._follow: asyncio.Task[None] | None = None

    async def start(self, *, follow: bool = True) -> None:
        """
        Start the sandbox, load the sites, and keep up with their files if *follow*.

        Raises:
            SandboxError: The sandbox cannot be started.
            SettingsError: The default site's settings are wrong.
        """
        self.loop = asyncio.get_running_loop()
        await self.pool.start()
        await self.sites.start()
        if follow:
            self._follow = asyncio.create_task(self.sites.follow())
        # What is there now stays: without it among the garbage collector's objects, a full collection is short.
        gc.collect()
        gc.freeze()
        self.is_ready = True

    async def stop(self) -> None:
        """
        End everything that start() started.
        """
        self.is_ready = False
        self.runner.is_stopping = True
        if self._follow:
            self._follow.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follow
        await self.pool.close()

    async def check(self, site: str, message: dict[str, Any]) -> dict[str, Any]:
        """
        Have a worker of *site* compile the hook in *message*; a hook that hangs or crashes there is a load error.
        """
        deadline = time.monotonic() + CHECK_S
        worker = await self.pool.acquire(site, ("check", site), deadline)
        try:
            answer, _ = await self.pool.run(worker, [message], deadline)
        except RunEnded as ended:
            what = (
                f"loading the file did not end within {CHECK_S:g} s"
                if not ended.detail
                else f"its worker died ({ended})"
            )
            problem = {"file": message["file"], "line": 0, "message": f"{what}.", "remedy": "Look at its top level."}
            return {"problems": [problem], "warnings": [], "libs": [], "settings_keys": []}
        finally:
            self.pool.release(worker, ("check", site))
        return answer


def _count_workers(states: Mapping[State, int]) -> None:
    for state in State:
        metrics.WORKERS.labels(state).set(states.get(state, 0))
