"""
The composition root: what an installation is made of, put together and taken apart.
"""

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from hookd import figure_files, metrics
from hookd.alerts import Alerts
from hookd.answers import pretend
from hookd.documents import Json
from hookd.jobs import Jobs
from hookd.journal import Journal
from hookd.portal.oauth import ADDRESSES
from hookd.portal.side import PortalSide
from hookd.runner import Origin, Run, Runner
from hookd.sandbox import wire
from hookd.sandbox.pool import Pool, RunEnded, State
from hookd.settings import Settings
from hookd.sites import Site, Sites
from hookd.tools import Broker, make_tools

START_S = 10.0  # hooks that are still being checked then have no more right to keep the others waiting
CHECK_S = 5.0  # to compile a hook and execute its module body; 2 MB of source take 2 s

log = structlog.get_logger("hookd.service")


class Service:
    """
    One process's pool, sites and runner; everything in it belongs to the event loop that started it.

    Args:
        only: The one site whose hooks are loaded; None is all.
        keeps: Whether the state directory is written to: the last good version of a hook, which outlives a broken
            edit, and the journal. Commands take the files as they are, write nothing, and only pretend to call tools
            that act.
        on_ready: Called when it is started.
        authorities: Where Bitrix24's authorization servers are; only tests have their own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only: str | None = None,
        keeps: bool = True,
        on_ready: Callable[[], None] = lambda: None,
        authorities: Mapping[str, str] = ADDRESSES,
    ) -> None:
        self.settings = settings
        self.pool = Pool(workers_max=settings.workers_max, spares=settings.spares, on_change=_count_workers)
        self.sites = Sites(settings, self.check, on_removed=self.pool.forget_site, only=only, keeps=keeps)
        self._journal = Journal(settings) if keeps else None
        self.jobs = Jobs(settings.state)
        self.portal = PortalSide(settings.state, self.jobs, authorities)
        self.broker = Broker(make_tools(settings.state, self.jobs))
        self.alerts = Alerts(self.jobs, settings.state) if keeps else None
        if keeps:
            self.runner = Runner(self.pool, self.broker, note=self._note)
        else:
            self.runner = Runner(self.pool, self.broker, stand_in=pretend)
        self.is_ready = False
        self._on_ready = on_ready
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, follow: bool = True) -> None:
        """
        Start the sandbox, load the sites, and keep up with their files if *follow*.

        Raises:
            SandboxError: The sandbox cannot be started.
            SettingsError: The default site's settings are wrong.
        """
        figure_files.reserve()
        await self.pool.start()
        await self.sites.start(START_S if follow else None)
        if follow:
            self._tasks.append(asyncio.create_task(self.sites.follow()))
            if self.alerts:
                self._tasks.append(asyncio.create_task(self.alerts.follow(self.sites.all, lambda: "")))
        if self._journal:
            self._journal.start()
        # What is there now stays: without it among the garbage collector's objects, a full collection is short.
        gc.collect()
        gc.freeze()
        self.is_ready = True
        self._on_ready()

    async def stop(self) -> None:
        """
        End everything that start() started.
        """
        self.is_ready = False
        self.runner.is_stopping = True
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):  # whatever ended it was logged there
                await task
        await self.pool.close()
        await asyncio.to_thread(self.broker.close)
        if self.alerts:
            await self.alerts.close()
        self.jobs.close()
        self.portal.close()
        self.runner.account()
        if self._journal:
            await asyncio.to_thread(self._journal.close)

    def _note(self, run: Run, site: Site, request: Json, origin: Origin | None) -> None:
        if self._journal:
            self._journal.add(run, site, request, origin)
        if self.alerts:
            self.alerts.watch_run(run, site)

    async def check(self, site: str, message: dict[str, Any]) -> dict[str, Any]:
        """
        Have a worker of *site* compile the hook in *message*; a hook that hangs or crashes there is a load error.
        """
        try:
            return await self._check_once(site, message)
        except RunEnded:
            pass  # perhaps the machine's fault, a killed zygote or no memory; the second time it is the file's
        try:
            return await self._check_once(site, message)
        except RunEnded as ended:
            what = f"its worker died ({ended})" if ended.detail else f"loading it did not end within {CHECK_S:g} s"
            return _refusal(message, f"{what}.", "Look at what stands outside of functions.")

    async def _check_once(self, site: str, message: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + CHECK_S
        worker = await self.pool.acquire(site, ("check", site), deadline)
        try:
            answer, _ = await self.pool.run(worker, [message], deadline)
        except wire.FrameError:
            return _refusal(message, "this file and the lib files are larger than 4 MB together.", "Remove some.")
        finally:
            self.pool.release(worker, ("check", site))
        return answer


def _refusal(message: dict[str, Any], what: str, remedy: str) -> dict[str, Any]:
    problem = {"file": message["file"], "line": 0, "message": what, "remedy": remedy}
    return {
        "problems": [problem],
        "warnings": [],
        "libs": [],
        "settings_keys": [],
        "tools": [],
        "lists": [],
        "jobs": [],
    }


def _count_workers(states: Mapping[State, int]) -> None:
    for state in State:
        metrics.WORKERS.labels(state).set(states.get(state, 0))
