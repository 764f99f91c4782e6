"""
The composition root: what an installation is made of, put together and taken apart.
"""

import asyncio
import contextlib
import gc
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from hookd import figure_files, metrics
from hookd.alerts import Alerts
from hookd.answers import pretend
from hookd.documents import Json
from hookd.errors import InboxFullError, OperatorError, StoppedError, StorageError
from hookd.hook_settings import titles
from hookd.jobs import Jobs, Quota
from hookd.journal import Journal
from hookd.points import EVENTS, PLACEMENTS, Point, names_in
from hookd.portal.binding import BIND_S, FAILED, Binding, Wish
from hookd.portal.oauth import ADDRESSES
from hookd.portal.patience import Deadline
from hookd.portal.portals import Portal
from hookd.portal.side import PortalSide
from hookd.quarantine import Quarantine
from hookd.runner import Runner, limit
from hookd.runs import Origin, Run
from hookd.sandbox import wire
from hookd.sandbox.pool import Pool, RunEnded, State
from hookd.settings import Settings, SiteSettings
from hookd.sites import POLL_S, Site, Sites
from hookd.tools import Broker, make_tools
from hookd.tools.threads import Threads

START_S = 10.0  # hooks that are still being checked then have no more right to keep the others waiting
LATE_S = 5.0  # beyond a run's deadline: it has ended long before, unless the loop has
FULL_S = 60.0  # between two lines about a site that has as many jobs as it may
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
        self._keeps = keeps
        self.quarantine = Quarantine(settings.state if keeps else None)
        self.pool = Pool(
            workers_max=settings.workers_max,
            spares=settings.spares,
            fresh_spares=settings.fresh_spares,
            on_change=_count_workers,
            on_violation=self.quarantine.blame,
        )
        self.sites = Sites(settings, self.check, on_removed=self.pool.forget_site, only=only, keeps=keeps)
        self._journal = Journal(settings) if keeps else None
        self.jobs = Jobs(settings.state, quota=self._quota, on_full=self._on_full)
        self.portal = PortalSide(settings.state, self.jobs, authorities)
        self.broker = Broker(make_tools(settings.state, self.jobs, self.portal))
        self.alerts = Alerts(self.jobs, settings.state) if keeps else None
        self.runner = Runner(
            self.pool,
            self.broker,
            self.quarantine,
            min_level=settings.min_level,
            stand_in=None if keeps else pretend,
            note=self._note,
        )
        self._binding = Threads("binding", 1)
        self.is_ready = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_ready = on_ready
        self._tasks: list[asyncio.Task[None]] = []
        self._full: dict[str, float] = {}  # site → monotonic time until which nothing more is said of it
        self._unreadable = ""  # why the quarantine could not be read, told once

    async def start(self, *, follow: bool = True) -> None:
        """
        Start the sandbox, load the sites, and keep up with their files if *follow*.

        Raises:
            SandboxError: The sandbox cannot be started.
            SettingsError: The default site's settings are wrong.
        """
        self._loop = asyncio.get_running_loop()
        figure_files.reserve()
        await self._refresh_quarantine()
        await self.pool.start()
        self._tell_isolation()
        await self.sites.start(START_S if follow else None)
        if follow:
            self._tasks = [asyncio.create_task(self.sites.follow()), asyncio.create_task(self._keep_up())]
            if self.alerts:
                self._tasks.append(asyncio.create_task(self.alerts.follow(self.sites.all, self._level)))
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
        await self.quarantine.close()
        await asyncio.to_thread(self.broker.close)
        if self.alerts:
            await self.alerts.close()
        self.jobs.close()
        await asyncio.to_thread(self._binding.close)
        self.portal.close()
        self.runner.account()
        if self._journal:
            await asyncio.to_thread(self._journal.close)

    def run_from_thread(self, site: Site, point: Point, document: Json, **options: Any) -> Run:
        """
        Return the run of *site*'s hook for *point*, as `Runner.run` does; for threads, which wait for it.

        Raises:
            StoppedError: hookd is stopping.
        """
        loop = self._loop
        if loop is None or loop.is_closed() or not self.is_ready:
            raise StoppedError("hookd is stopping")
        run = self.runner.run(site, point, document, started=time.monotonic(), **options)
        waiting = asyncio.run_coroutine_threadsafe(run, loop)
        try:
            return waiting.result(limit(site, point, None) + LATE_S)
        except TimeoutError as error:
            waiting.cancel()
            raise StoppedError("the run did not end") from error

    def bind(self, site: str, portal: Portal, base: str) -> list[Binding]:
        """
        Bind in *portal*, of the site named, what there are hook files for, and return what became of each; it blocks.

        Args:
            base: The site's address for portals; "" where that is not known.
        """
        found = self.sites.get(site)
        if found is None or not base:
            return [Binding("", "", FAILED, "hookd's own address is not known here: set public_url")]
        who = self.portal.installed(portal, found.settings)
        bindings = self.portal.binder.bind(who, wish(found.hooks.directory, base), Deadline(BIND_S))
        states = Counter(one.state for one in bindings)
        faults = [f"{one.code}: {one.why}" for one in bindings if one.state == FAILED]
        tell = log.warning if faults else log.info
        tell("portal_bound", site=site, portal=portal.member_id, **states, faults=faults[:10] or None)
        return bindings

    def rebind(self, site: str, member_id: str, base: str) -> None:
        """
        Bind anew what there are hook files for, soon: whoever says that it is time to does not wait.
        """

        def do() -> None:
            try:
                portal = self.portal.portals.find(site, member_id)
                if portal:
                    self.bind(site, portal, base)
            except OperatorError as error:
                log.error("portal_not_bound", site=site, portal=member_id, error=str(error))

        self._binding.submit(do)

    def _note(self, run: Run, site: Site, request: Json, origin: Origin | None) -> None:
        if self._journal:
            self._journal.add(run, site, request, origin)
        if self.alerts:
            self.alerts.watch_run(run, site)

    def _quota(self, name: str) -> Quota | None:
        site = self.sites.get(name)
        return quota_of(site.settings) if site else None

    def _on_full(self, name: str, error: InboxFullError) -> None:
        """Have it told that a site gets no more jobs; in the thread of whoever wanted one."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell_full, name, error)

    def _tell_full(self, name: str, error: InboxFullError) -> None:
        site, now = self.sites.get(name), time.monotonic()
        if site is None or now < self._full.get(name, 0.0):
            return
        self._full[name] = now + FULL_S
        log.error("inbox_full", site=name, setting=error.setting, error=str(error))
        if self.alerts:
            self.alerts.tell(site, "full", error.setting, error=str(error))

    def _level(self) -> str:
        return self.pool.isolation.name

    def _tell_isolation(self) -> None:
        isolation = self.pool.isolation
        missing = isolation.reasons()
        (log.warning if missing else log.info)("sandbox_up", isolation=isolation.name, missing=missing)
        if self.runner.is_weak:
            log.error("hooks_not_run", isolation=isolation.name, min_isolation=self.settings.min_isolation)
        elif isolation.level < self.settings.wanted_level:
            log.warning("weak_isolation_allowed", isolation=isolation.name, min_isolation=self.settings.min_isolation)
        if os.geteuid() == 0 and self._keeps:
            log.warning("runs_as_root", remedy="run hookd as a user of its own; see `hookd doctor`")

    async def _keep_up(self) -> None:
        """Keep up with other processes' quarantine, and have the figures of what is held back up to date."""
        while True:
            await asyncio.sleep(POLL_S)
            await self._refresh_quarantine()
            self._count_held_back()

    async def _refresh_quarantine(self) -> None:
        try:
            await self.quarantine.refresh()
        except StorageError as error:
            # What is known stays known. Calls go on: a hook that breaks out once more is seen once more.
            if str(error) != self._unreadable:
                log.error("quarantine_unreadable", error=str(error))
            self._unreadable = str(error)

    def paused(self) -> list[tuple[str, str, float]]:
        """
        Return site, hook and the seconds still, of the hooks that are paused as they are now.
        """
        found = []
        for (name, hook), (digest, seconds) in self.runner.paused().items():
            site = self.sites.get(name)
            current = site.hooks.snapshot.hooks.get(hook) if site else None
            if current and current.digest == digest:
                found.append((name, hook, seconds))
        return found

    def quarantined(self) -> list[tuple[str, str, str]]:
        """
        Return site, hook and what it did, of the hooks that are in quarantine as they are now.
        """
        return [
            (site.name, hook.name, why)
            for site in self.sites.all()
            for hook in site.hooks.snapshot.hooks.values()
            if (why := self.quarantine.why(site.name, hook.name, hook.digest))
        ]

    def _count_held_back(self) -> None:
        paused = Counter(site for site, _, _ in self.paused())
        quarantined = Counter(site for site, _, _ in self.quarantined())
        for site in self.sites.all():
            metrics.PAUSED.labels(site.name).set(paused[site.name])
            metrics.QUARANTINED.labels(site.name).set(quarantined[site.name])
        metrics.ISOLATION.set(self.pool.isolation.level)

    async def check(self, site: str, message: dict[str, Any]) -> dict[str, Any]:
        """
        Have a worker of *site* compile the hook in *message*; a hook that hangs or crashes there is a load error.
        """
        if self.runner.is_weak:
            level = self.pool.isolation.name
            return _refusal(message, f"no hook is loaded: the isolation is {level} here.", "See `hookd doctor`.")
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
            what = "this file, the lib files and the templates are larger than 4 MB together."
            return _refusal(message, what, "Remove some.")
        finally:
            self.pool.release(worker, ("check", site))
        return answer


def wish(hooks: Path, base: str) -> Wish:
    """
    Return what the site with these *hooks*, at the address *base*, wants to have bound.
    """
    return Wish(base, tuple(names_in(hooks, EVENTS)), tuple(names_in(hooks, PLACEMENTS)), titles(hooks))


def quota_of(settings: SiteSettings) -> Quota:
    """
    Return what a site with these *settings* may have in the inbox.
    """
    return Quota(settings.jobs_waiting_max, settings.jobs_mb_max)


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
        "templates": [],
        "returned_keys": [],
        "returned_values": [],
    }


def _count_workers(states: Mapping[State, int]) -> None:
    for state in State:
        metrics.WORKERS.labels(state).set(states.get(state, 0))
