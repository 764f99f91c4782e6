"""
The consumer process: takes what is due out of the inbox, jobs and events, has it done, and notes how it stands.

    inbox → engine (DBOS) → runner → engine: the result is recorded → inbox: done, or due again later, or dead

The engine's threads wait while the event loop runs hooks, as an HTTP process does it: in its own workers, of which jobs
get half. The inbox is the plan: what is due when, and how often it failed; the engine records what has happened. After
a crash, what the inbox says may be old; the engine's records are asked first, so that nothing that has a result is
done again.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hookd import jobs as inbox
from hookd import logs
from hookd.consumer import lock
from hookd.consumer.brake import RUNS_MAX, WINDOW_S, Brake
from hookd.consumer.engine import Attempt, DurableEngine, Interrupted
from hookd.documents import Json
from hookd.errors import HookdError, StorageError
from hookd.jobs import (
    DEAD,
    DONE,
    EVENT,
    KEPT_S,
    KINDS,
    LOOP,
    NO_HOOK,
    NO_SITE,
    PARKED,
    RUNNING,
    WAITING,
    Job,
    Jobs,
    Note,
)
from hookd.points import EVENTS, JOBS, Point, work_point
from hookd.portal import codes
from hookd.portal.events import brake_key, document, hook_of
from hookd.runner import work_settings
from hookd.sandbox import jail
from hookd.service import Service
from hookd.settings import JobSettings, Settings, find_config, load
from hookd.sites import Site

OK, FAILED = 0, 2

POLL_S = 0.1  # of the inbox, while there is work
IDLE_S = 0.2  # more, while there is none: looking costs a tenth of a processor's percent each
NOTE_S = 0.1  # notes are written together: each transaction may hold up somebody who promises a job
CHECK_S = 5.0  # between two looks at what does not go as usual
SWEEP_S = 60.0  # between two steps of forgetting what ended long ago
RETRY_S = 1.0  # after a database could not be used
AHEAD = 4  # attempts that the engine is given for each that can run: it looks for new ones five times a second
STOP_S = 10.0  # that running jobs get at the end
NICE = 5  # calls go first, and whoever promises a job
JITTER = 0.25  # of a delay, up and down: what failed together is not tried again together
LOAD_S = 2.0  # for a hook whose file is there to be loaded, before its run fails for want of it
TOO_OFTEN = (
    f"this event came more than {RUNS_MAX} times in {WINDOW_S:g} s for the same object; perhaps its hook causes it. "
    "`hookd events retry` has it run. [loop]"
)

log = structlog.get_logger("hookd.consumer")


def main() -> int:
    """
    Do jobs until SIGTERM or SIGINT; return the exit code.
    """
    working = Path.cwd()
    try:
        settings = load(find_config(None, os.environ, working), working)
        logs.configure(settings.log_format)
        jail.not_dumpable()
        jail.raise_descriptor_limit()
        os.nice(NICE)
        with lock.hold(settings.state):
            asyncio.run(Consumer(settings).run())
    except HookdError as error:
        for line in str(error).splitlines():
            print(f"hookd: {line}", file=sys.stderr)
        return FAILED
    return OK


@dataclass(frozen=True, slots=True)
class _Result:
    """
    What an attempt came to, as it is recorded.

    Attributes:
        state: done, waiting (it failed and is tried again), dead, parked; "" where there was nothing to do any more.
        error: Why it failed.
        due_at: When it is tried again.
        reason: A word for why it stands so.
    """

    state: str
    error: str = ""
    due_at: float | None = None
    reason: str | None = None

    def document(self) -> Json:
        return {"state": self.state, "error": self.error, "due_at": self.due_at, "reason": self.reason}


GONE = _Result(PARKED, "there is no such site now; the job waits until it is back", reason=NO_SITE)


class Consumer:
    """
    One consumer, from start to stop, on the event loop that runs it.
    """

    def __init__(self, settings: Settings) -> None:
        at_once = max(1, settings.workers_max // 2)
        self._service = Service(settings)
        self._jobs = Jobs(settings.state, is_durable=False)
        self._engine = DurableEngine(settings.state, self._attempt, self._settle, at_once=at_once * AHEAD)
        self._room = asyncio.Semaphore(at_once)
        self._most = at_once * AHEAD
        self._taken: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}  # run id → when the engine was given it
        self._brake = Brake()
        self._notes: list[Note] = []
        self._notes_lock = threading.Lock()
        self._running = 0
        self._is_stopping = False
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """
        Do jobs until the process is told to stop.

        Raises:
            HookdError: It cannot start.
        """
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._stop.set)
        await self._service.start()
        try:
            await asyncio.to_thread(self._jobs.release)
            await asyncio.to_thread(self._engine.start, KINDS)
            log.info("consumer_up", at_once=self._most // AHEAD, state=str(self._service.settings.state))
            await self._work()
        finally:
            await self._end()

    async def _work(self) -> None:
        duties = (
            (self._hand_over, POLL_S),
            (self._write_notes, NOTE_S),
            (self._check, CHECK_S),
            (self._forget, SWEEP_S),
        )
        tasks = [asyncio.create_task(self._repeat(duty, every_s)) for duty, every_s in duties]
        await self._stop.wait()
        log.info("consumer_stopping", running=self._running)
        for task in tasks[:1]:
            task.cancel()
        self._is_stopping = True
        end = time.monotonic() + STOP_S
        while self._running and time.monotonic() < end:
            await asyncio.sleep(0.02)
        self._service.runner.is_stopping = True
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _end(self) -> None:
        self._is_stopping = True
        await self._service.stop()
        await asyncio.to_thread(self._engine.stop)
        with contextlib.suppress(StorageError):
            await asyncio.to_thread(self._write)
        self._jobs.close()

    async def _repeat(self, duty: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Do *duty* again and again; a database that cannot be used is told once, and tried again."""
        told = ""
        while True:
            try:
                await duty()
                told = ""
            except (StorageError, SQLAlchemyError) as error:
                if str(error) != told:
                    log.error("consumer_held_up", error=str(error))
                told = str(error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("consumer_failed")
                await asyncio.sleep(RETRY_S)
            await asyncio.sleep(every_s)

    # ---- from the inbox to the engine ----------------------------------------------------------------------------

    async def _hand_over(self) -> None:
        sites = {site.name for site in self._service.sites.all()}
        if not any([await asyncio.to_thread(self._give, kind, sites) for kind in KINDS]):
            await asyncio.sleep(IDLE_S)

    def _give(self, kind: str, sites: set[str]) -> bool:
        """
        Give the engine what is due of *kind*, as far as it has room; what it has a result of already is only noted.

        Returns whether there was anything to do.
        """
        taken = self._taken[kind]
        due = self._jobs.due(kind, self._most - len(taken)) if len(taken) < self._most else []
        there = [job for job in due if job.site in sites]
        for job in due:
            if job.site not in sites:
                self._note(Note(job.id, job.attempt, PARKED, job.attempt, error=GONE.error, reason=GONE.reason))
        found = self._engine.found([job.run_id for job in there])
        over = {run_id for run_id, attempt in found.items() if not attempt.is_open}
        for job in there:
            if job.run_id in over:
                self._settle_found(job.id, job.attempt, found[job.run_id])
        given = [job for job in there if job.run_id in found and job.run_id not in over]
        given += self._without_loops([job for job in there if job.run_id not in found])
        if not given:
            return bool(due or taken)
        now = time.monotonic()
        taken |= {job.run_id: now for job in given}
        self._jobs.take([job.id for job in given])  # first: how they end is noted from the moment they are enqueued
        for job in given:
            if job.run_id not in found:
                self._engine.enqueue(kind, job.run_id, job.id, job.attempt)
        return True

    def _without_loops(self, begun: list[Job]) -> list[Job]:
        """
        Return *begun* but for the events that come too often, which are parked.

        Only the first attempt counts: later ones are hookd's own, or somebody asked for them.
        """
        looping = [job for job in begun if job.kind == EVENT and job.attempt == 1 and not self._is_admitted(job)]
        if looping:  # at once: what is only noted would be due again until the note is written
            self._jobs.note(
                Note(job.id, job.attempt, PARKED, job.attempt, error=TOO_OFTEN, reason=LOOP) for job in looping
            )
        for job in looping:
            log.error("event_loop", job=job.id, site=job.site, name=job.name, object=job.lane)
            self._loop.call_soon_threadsafe(self._tell_loop, job)
        return [job for job in begun if job not in looping]

    def _is_admitted(self, job: Job) -> bool:
        key = brake_key(job)
        return key is None or self._brake.admit(key)

    def _tell_loop(self, job: Job) -> None:
        site = self._service.sites.get(job.site)
        if site and self._service.alerts:
            self._service.alerts.tell(site, "loop", f"{EVENTS}/{job.name}", event=job.id, object=job.lane)

    # ---- an attempt ----------------------------------------------------------------------------------------------

    def _attempt(self, id_: str, number: int) -> Json:
        """Do attempt *number* of the job; in a thread of the engine."""
        if self._is_stopping:
            raise Interrupted
        try:
            result = asyncio.run_coroutine_threadsafe(self._do(id_, number), self._loop).result()
        except Exception:
            if self._is_stopping:
                raise Interrupted from None
            log.exception("job_failed_here", job=id_, attempt=number)
            result = _Result(WAITING, "hookd itself failed; see its log", time.time() + JobSettings().retry_first_s)
        if result is None:
            raise Interrupted
        return result.document()

    async def _do(self, id_: str, number: int) -> _Result | None:
        job = await asyncio.to_thread(self._jobs.find, id_)
        if job is None or job.attempt != number or job.ended_at is not None:
            return _Result("")
        async with self._room:
            if self._is_stopping:
                return None
            self._running += 1
            try:
                return await self._run(job)
            finally:
                self._running -= 1

    async def _run(self, job: Job) -> _Result | None:
        site = self._service.sites.get(job.site)
        if site is None:
            return GONE
        point = await self._point(job, site)
        if point is None:
            return _Result(DONE, reason=NO_HOOK)
        self._note(Note(job.id, job.attempt, RUNNING, job.attempt))
        started = asyncio.get_running_loop().time()
        if job.kind == EVENT:
            asked, portal = document(job), job.payload["event"]["portal"]["member_id"]
        else:
            asked, portal = inbox.document(job), ""
        run = await self._service.runner.run(site, point, asked, started=started, portal=portal)
        if run.outcome == "ok":
            return _Result(DONE)
        if self._service.runner.is_stopping:
            return None
        result = _failed(job, point, site, str(run.error))
        if result.state == DEAD and self._service.alerts:
            self._service.alerts.tell(site, "dead", run.point, job=job.id, error=result.error)
        return result

    async def _point(self, job: Job, site: Site) -> Point | None:
        """What is asked: of an event the hook that answers it now, or None where there is none any more."""
        if job.kind != EVENT:
            return work_point(JOBS, job.name)
        names = codes.event_hooks(job.payload["event"]["code"])
        name = await asyncio.to_thread(hook_of, site.hooks.directory, EVENTS, names)
        if not name:
            return None
        point, end = work_point(EVENTS, name), time.monotonic() + LOAD_S
        while not site.hooks.snapshot.has(point.name) and time.monotonic() < end:
            await asyncio.sleep(POLL_S)  # its file is new: an HTTP process saw it a moment ago
        return point

    # ---- from the engine to the inbox ----------------------------------------------------------------------------

    def _settle(self, id_: str, number: int, result: Json) -> None:
        """Note what a recorded attempt came to; in a thread of the engine."""
        state, next_attempt = result["state"], number
        if state not in (DONE, DEAD):
            next_attempt += 1
        self._note(
            Note(
                id_,
                number,
                state or WAITING,
                next_attempt,
                due_at=result["due_at"],
                error=result["error"],
                reason=result.get("reason"),
                forgives=state not in (DONE, DEAD, WAITING),
            )
        )
        self._forget_taken(f"{id_}-{number}")

    def _settle_found(self, id_: str, number: int, attempt: Attempt) -> None:
        result = attempt.result
        if attempt.error:  # its result could not be recorded, or it took the whole consumer with it a hundred times
            job = self._jobs.find(id_)
            site = self._service.sites.get(job.site) if job else None
            if job and site:
                point = work_point(EVENTS if job.kind == EVENT else JOBS, job.name)
                result = _failed(job, point, site, attempt.error).document()
            else:
                result = GONE.document()
        self._settle(id_, number, result)

    def _forget_taken(self, run_id: str) -> None:
        for taken in self._taken.values():
            taken.pop(run_id, None)

    def _note(self, note: Note) -> None:
        with self._notes_lock:
            self._notes.append(note)

    async def _write_notes(self) -> None:
        if self._notes:
            await asyncio.to_thread(self._write)

    def _write(self) -> None:
        with self._notes_lock:
            notes, self._notes = self._notes, []
        try:
            self._jobs.note(notes)
        except StorageError:
            with self._notes_lock:
                self._notes = notes + self._notes
            raise

    # ---- what does not go as usual -------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Look after attempts that ended unseen, and after jobs whose site is back."""
        sites = {site.name for site in self._service.sites.all()}
        await asyncio.to_thread(self._look_after, sites)

    def _look_after(self, sites: set[str]) -> None:
        before = time.monotonic() - CHECK_S
        old = [run_id for taken in self._taken.values() for run_id, since in list(taken.items()) if since < before]
        found = self._engine.found(old)
        for run_id in old:
            id_, _, number = run_id.rpartition("-")
            attempt = found.get(run_id)
            if attempt is None:  # the engine's database did not take it
                self._note(Note(id_, int(number), WAITING, int(number)))
                self._forget_taken(run_id)
            elif not attempt.is_open:
                self._settle_found(id_, int(number), attempt)
        self._engine.resume([run_id for run_id, attempt in found.items() if attempt.is_open])
        if self._jobs.has_parked(sites):
            self._jobs.unpark(sites)

    async def _forget(self) -> None:
        before = time.time() - KEPT_S
        for forget in (self._jobs.forget_ended, self._engine.forget):
            while await asyncio.to_thread(forget, before):
                await asyncio.sleep(POLL_S)


def _failed(job: Job, point: Point, site: Site, error: str) -> _Result:
    chosen = work_settings(site, point)
    failures = job.attempt - job.first + 1
    if failures < chosen.attempts_max:
        return _Result(WAITING, error, time.time() + delay_s(chosen, failures))
    log.error("job_dead", kind=job.kind, job=job.id, site=job.site, name=job.name, attempts=failures)
    return _Result(DEAD, error)


def delay_s(chosen: JobSettings, failures: int) -> float:
    """
    Return the seconds until a job that failed this often in a row is tried again.
    """
    usual: float = min(chosen.retry_first_s * 2 ** (failures - 1), chosen.retry_max_s)
    return usual * random.uniform(1 - JITTER, 1 + JITTER)
