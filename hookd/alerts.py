"""
Alerts: a site's people are told by its own job `alert`, `hooks/jobs/alert.py`, that something began to go wrong.

What is told: a hook that starts to fail, is paused or in quarantine; a file that is broken; a sandbox that is weaker
than before; a job or an event that is dead, events that may be a loop; that no more of them are taken. Each at most
once an hour for a site, over all processes: the inbox sees to it, since cause, subject and hour are the job's key. A
site without that job hears nothing, and nothing is told of the job itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from hookd.errors import HookdError, Problem
from hookd.jobs import Jobs
from hookd.points import JOBS
from hookd.runs import Run
from hookd.sites import Site

JOB = "alert"
HOOK = f"{JOBS}/{JOB}"
LOOK_S = 1.0  # between two looks at what is broken
HOUR_S = 3600
TOLD_MAX = 10_000  # causes that are remembered, so that a hook that fails all the time costs no transactions
LEVEL_FILE = "isolation"  # in the state directory: the level that was told last
OWN = frozenset({"paused", "quarantined"})  # reasons that are causes of their own
PASSING = frozenset({"busy", "stopping", "load"})  # no fault of the hook, or told as a broken file

log = structlog.get_logger("hookd.alerts")


class Alerts:
    """
    What one process tells; its methods are called on the event loop, and none of them waits.

    Args:
        state: The state directory.
    """

    def __init__(self, jobs: Jobs, state: Path) -> None:
        self._jobs = jobs
        self._state = state
        self._failing: set[tuple[str, str]] = set()
        self._broken: dict[tuple[str, str], tuple[Problem, ...]] = {}
        self._told: dict[tuple[str, str], bool] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, site: Site, cause: str, subject: str, **facts: Any) -> None:
        """
        Enqueue the job `alert` of *site*, if there is one, unless it was told of *cause* and *subject* in this hour.

        Args:
            cause: failing, paused, quarantined, broken, isolation, dead, loop or full.
            subject: What it is about: a hook, a job.
            facts: Go into the job's payload, beside cause, subject, site and at.
        """
        snapshot = site.hooks.snapshot
        if subject == HOOK or (HOOK not in snapshot.hooks and HOOK not in snapshot.broken):
            return
        now = time.time()
        key = f"{cause} {subject} {int(now // HOUR_S)}"
        if (site.name, key) in self._told:
            return
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[site.name, key] = True
        at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
        payload = {"cause": cause, "subject": subject, "site": site.name, "at": at, **facts}
        task = asyncio.create_task(self._enqueue(site.name, payload, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def watch_run(self, run: Run, site: Site) -> None:
        """
        Tell of a hook that starts to fail: its last run did not, or there was none.
        """
        hook = site.name, run.point
        if run.outcome != "fallback":
            self._failing.discard(hook)
        elif run.reason in OWN:
            self.tell(site, run.reason, run.point, error=str(run.error))
        elif run.reason not in PASSING and hook not in self._failing:
            self._failing.add(hook)
            self.tell(site, "failing", run.point, reason=run.reason, error=str(run.error), run=run.run_id)

    async def follow(self, sites: Callable[[], Iterable[Site]], level: Callable[[], str]) -> None:
        """
        Tell of files that are broken and of a sandbox that became weaker, until cancelled.

        Args:
            sites: Returns all sites.
            level: Returns the isolation level, such as L3; "" where none is known.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            for site in sites():
                self._watch_files(site)
            await self._watch_level(list(sites()), level())

    async def close(self) -> None:
        """
        Wait until what was told is enqueued.
        """
        await asyncio.gather(*self._tasks)

    def _watch_files(self, site: Site) -> None:
        broken: Mapping[str, tuple[Problem, ...]] = site.hooks.snapshot.broken
        for name, problems in broken.items():
            if self._broken.get((site.name, name)) != problems:
                self.tell(site, "broken", name, problems=[str(problem) for problem in problems])
        others = {key: known for key, known in self._broken.items() if key[0] != site.name}
        self._broken = others | {(site.name, name): problems for name, problems in broken.items()}

    async def _watch_level(self, sites: list[Site], level: str) -> None:
        before = await asyncio.to_thread(self._exchange, level) if level else ""
        if before > level:
            for site in sites:
                self.tell(site, "isolation", level, before=before)

    def _exchange(self, level: str) -> str:
        """Keep *level*, and return the one that was kept before; "" where there was none."""
        path = self._state / LEVEL_FILE
        before = ""
        with contextlib.suppress(OSError):
            before = path.read_text("utf-8").strip()
        if before != level:
            with contextlib.suppress(OSError):  # a full disk: it is told again after the next start
                path.write_text(f"{level}\n", "utf-8")
        return before

    async def _enqueue(self, site: str, payload: dict[str, Any], key: str) -> None:
        try:
            await asyncio.to_thread(lambda: self._jobs.enqueue(site, JOB, payload, key=key, is_limited=False))
        except HookdError as error:
            log.error("alert_not_enqueued", site=site, cause=payload["cause"], error=str(error))
