"""
The consumer process: takes what is due out of the inbox, jobs and events, has it done, and notes how it stands.

    inbox → engine (DBOS) → runner → engine: the result is recorded → inbox: done, or due again later, or dead

The engine's threads wait while the event loop runs hooks, as an HTTP process does it: in its own workers, of which jobs
get half. The inbox is the plan: what is due when, and how often it failed; the engine records what has happened. What
is due goes to the engine in batches, and so do the notes to the inbox, so that the cost of a transaction is one of many
attempts. After a crash, what the inbox says may be old: the engine tells again what it has recorded of the batches that
were open, and nothing of them is taken out of the inbox a second time.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hookd import jobs as inbox
from hookd import logs
from hookd.consumer import lock
from hookd.consumer.brake import RUNS_MAX, WINDOW_S, Brake
from hookd.consumer.engine import Attempt, DurableEngine, Interrupted, Result
from hookd.consumer.notes import Notes
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
PAUSE_S = 0.02  # between two looks where the engine could do with more: what is due by then comes together
NOTE_S = 0.1  # notes are written together: each transaction may hold up somebody who promises a job
TEND_S = 1.0  # between two steps of looking after the inbox's file
CHECK_S = 5.0  # between two looks at what does not go as usual
SWEEP_S = 60.0  # between two steps of forgetting what ended long ago
RETRY_S = 1.0  # after a database could not be used
AHEAD_S = 0.3  # of work that the engine is given beyond what runs
AHEAD, AHEAD_MAX = 4, 32  # attempts for each that can run: few of slow ones, so that the sites take turns
STOP_S = 10.0  # that running jobs get at the end
SETTLE_S = 3.0  # to record what has ended, after that
MEAN_SHARE = 0.1  # of an attempt in the mean of how long they take
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


@dataclass(frozen=True, slots=True)
class _Taken:
    """
    An attempt that the engine was given.

    Attributes:
        job: As it stood in the inbox then.
        batch: What it is done with.
        since: Monotonic seconds.
    """

    job: Job
    batch: str
    since: float


LAST = "That was its last attempt."
GONE = _Result(PARKED, "there is no such site now; the job waits until it is back", reason=NO_SITE)


class Consumer:
    """
    One consumer, from start to stop, on the event loop that runs it.
    """

    def __init__(self, settings: Settings) -> None:
        self._at_once = max(1, settings.workers_max // 2)
        self._service = Service(settings)
        self._jobs = Jobs(settings.state)
        self._notes = Notes(self._jobs)
        self._engine = DurableEngine(settings.state, begin=self._begin, note=self._note_results, keep=self._notes.keep)
        self._room = asyncio.Semaphore(self._at_once)
        self._taken: dict[str, dict[Attempt, _Taken]] = {kind: {} for kind in KINDS}
        self._begun: dict[Attempt, asyncio.Task[_Result | None]] = {}  # until their results are recorded
        self._mean_s = dict.fromkeys(KINDS, 1.0)  # that attempts took lately
        self._has_more = dict.fromkeys(KINDS, False)  # whether more was due than the engine had room for
        self._wanted = asyncio.Event()  # the engine could do with more
        self._adopted = asyncio.Event()  # what a dead consumer left is known here
        self._brake = Brake()
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
            await asyncio.to_thread(self._adopt)
            self._adopted.set()
            log.info("consumer_up", at_once=self._at_once, state=str(self._service.settings.state))
            await self._work()
        finally:
            await self._end()

    async def _work(self) -> None:
        duties = (
            (self._hand_over, PAUSE_S),
            (self._write_notes, NOTE_S),
            (self._tend, TEND_S),
            (self._check, CHECK_S),
            (self._forget, SWEEP_S),
        )
        tasks = [asyncio.create_task(self._repeat(duty, every_s)) for duty, every_s in duties]
        await self._stop.wait()
        log.info("consumer_stopping", running=self._running)
        tasks[0].cancel()  # nothing more is handed over
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
        await asyncio.to_thread(self._settle_all)
        await asyncio.to_thread(self._engine.stop)
        self._jobs.close()

    def _settle_all(self) -> None:
        """Have recorded and noted what has ended; all else is left to the next consumer."""
        end, is_busy = time.monotonic() + SETTLE_S, True
        with contextlib.suppress(StorageError):
            while is_busy and time.monotonic() < end:
                is_busy = self._engine.is_busy
                self._notes.write()
                time.sleep(POLL_S / 2 if is_busy else 0)
        self._notes.close()

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

    def _adopt(self) -> None:
        """
        Have the engine go on with what a dead consumer left, and take nothing of that out of the inbox.

        What it gave up, and did not live to note, is looked after like what is given up later.
        """
        left = self._engine.start().items()
        for id_, batch in sorted(left, key=lambda found: found[1].is_open):  # what is in two is done by the open one
            jobs = [job for attempt in batch.attempts if (job := self._job(attempt))]
            self._take(id_, jobs)

    def _take(self, batch: str, jobs: Sequence[Job]) -> None:
        self._jobs.take([job.id for job in jobs])
        now = time.monotonic()
        for job in jobs:
            self._taken[job.kind][Attempt(job.id, job.attempt)] = _Taken(job, batch, now)

    def _job(self, attempt: Attempt) -> Job | None:
        """The job in the inbox, if this attempt of it is still to be done."""
        job = self._jobs.find(attempt.job)
        return job if job and job.attempt == attempt.number and job.ended_at is None else None

    async def _hand_over(self) -> None:
        sites = {site.name for site in self._service.sites.all()}
        self._wanted.clear()
        is_busy = any([await asyncio.to_thread(self._give, kind, sites) for kind in KINDS])
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), POLL_S if is_busy else POLL_S + IDLE_S)

    def _give(self, kind: str, sites: set[str]) -> bool:
        """
        Give the engine what is due of *kind*, as far as it has room; return whether there was anything to do.
        """
        room = self._most(kind) - len(self._taken[kind])
        due = self._jobs.due(kind, room) if room > 0 else []
        self._has_more[kind] = room <= len(due)
        for job in due:
            if job.site not in sites:
                self._notes.add(Note(job.id, job.attempt, PARKED, job.attempt, error=GONE.error, reason=GONE.reason))
        given = self._without_loops([job for job in due if job.site in sites])
        if given:
            batch = secrets.token_hex(12)
            self._take(batch, given)  # first: how they end is noted from the moment they are begun
            self._engine.begin(batch, [Attempt(job.id, job.attempt) for job in given])
        return bool(due or self._taken[kind])

    def _most(self, kind: str) -> int:
        """How many attempts the engine may have."""
        ahead = AHEAD_S / max(self._mean_s[kind], AHEAD_S / AHEAD_MAX)
        return self._at_once * max(AHEAD, int(ahead))

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
        return key is None or self._brake.admit(key, job.id)

    def _tell_loop(self, job: Job) -> None:
        site = self._service.sites.get(job.site)
        if site and self._service.alerts:
            self._service.alerts.tell(site, "loop", f"{EVENTS}/{job.name}", event=job.id, object=job.lane)

    # ---- an attempt ----------------------------------------------------------------------------------------------

    def _begin(self, attempts: Sequence[Attempt], ended: Callable[[Result], None]) -> None:
        """Begin *attempts*; in a thread of the engine."""
        try:
            self._loop.call_soon_threadsafe(self._begin_here, attempts, ended)
        except RuntimeError:  # the loop has ended
            raise Interrupted from None

    def _begin_here(self, attempts: Sequence[Attempt], ended: Callable[[Result], None]) -> None:
        for attempt in attempts:
            # One that was begun here already was not recorded, for want of room on the disk: it is not done again.
            task = self._begun.get(attempt) or self._loop.create_task(self._attempt(attempt))
            self._begun[attempt] = task
            task.add_done_callback(partial(_tell, attempt, ended))

    async def _attempt(self, attempt: Attempt) -> _Result | None:
        """Do *attempt*, and return what it came to; None where it is to be done again after a restart."""
        try:
            return await self._do(attempt)
        except Exception:
            if self._is_stopping:
                return None
            log.exception("job_failed_here", job=attempt.job, attempt=attempt.number)
            return _Result(WAITING, "hookd itself failed; see its log", time.time() + JobSettings().retry_first_s)

    async def _do(self, attempt: Attempt) -> _Result | None:
        await self._adopted.wait()
        taken = next((known[attempt] for known in self._taken.values() if attempt in known), None)
        if taken is None:  # it has ended, or somebody purged it
            return _Result("")
        async with self._room:
            if self._is_stopping:
                return None
            self._running += 1
            began = time.monotonic()
            try:
                return await self._run(taken.job)
            finally:
                self._running -= 1
                self._count(taken.job.kind, time.monotonic() - began)

    def _count(self, kind: str, seconds: float) -> None:
        """Count how long an attempt took, for how many the engine is given."""
        self._mean_s[kind] += (seconds - self._mean_s[kind]) * MEAN_SHARE

    async def _run(self, job: Job) -> _Result | None:
        site = self._service.sites.get(job.site)
        if site is None:
            return GONE
        point = await self._point(job, site)
        if point is None:
            return _Result(DONE, reason=NO_HOOK)
        self._notes.add(Note(job.id, job.attempt, RUNNING, job.attempt))
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
        name = hook_of(site.hooks.directory, EVENTS, names)
        if not name:
            return None
        point, end = work_point(EVENTS, name), time.monotonic() + LOAD_S
        while not site.hooks.snapshot.has(point.name) and time.monotonic() < end:
            await asyncio.sleep(POLL_S)  # its file is new: an HTTP process saw it a moment ago
        return point

    # ---- from the engine to the inbox ----------------------------------------------------------------------------

    def _note_results(self, results: Sequence[Result]) -> None:
        """Note what recorded attempts came to; in a thread of the engine."""
        for result in results:
            self._settle(result.attempt, result.value)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._forget_begun, [result.attempt for result in results])

    def _forget_begun(self, attempts: Iterable[Attempt]) -> None:
        """Forget attempts that are recorded; where the engine has done half of what it has, have more handed over."""
        for attempt in attempts:
            self._begun.pop(attempt, None)
        for kind in KINDS:
            if self._has_more[kind] and len(self._taken[kind]) <= self._most(kind) // 2:
                self._wanted.set()

    def _settle(self, attempt: Attempt, result: Json) -> None:
        state, next_attempt = result["state"], attempt.number
        if state not in (DONE, DEAD):
            next_attempt += 1
        self._notes.add(
            Note(
                attempt.job,
                attempt.number,
                state or WAITING,
                next_attempt,
                due_at=result["due_at"],
                error=result["error"],
                reason=result["reason"],
                forgives=state not in (DONE, DEAD, WAITING),
            )
        )
        self._forget_taken(attempt)

    def _forget_taken(self, attempt: Attempt) -> None:
        for taken in self._taken.values():
            taken.pop(attempt, None)

    async def _write_notes(self) -> None:
        await asyncio.to_thread(self._notes.write)

    async def _tend(self) -> None:
        await asyncio.to_thread(self._jobs.tend)

    # ---- what does not go as usual -------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Look after attempts that ended unseen, and after jobs whose site is back."""
        sites = {site.name for site in self._service.sites.all()}
        await asyncio.to_thread(self._look_after, sites)

    def _look_after(self, sites: set[str]) -> None:
        before = time.monotonic() - CHECK_S
        old = [
            (attempt, taken)
            for known in self._taken.values()
            for attempt, taken in list(known.items())
            if taken.since < before
        ]
        found = self._engine.found({taken.batch for _, taken in old})
        given_up = {id_: self._engine.recorded(id_) for id_, batch in found.items() if batch.error}
        for attempt, taken in old:
            batch, recorded = found.get(taken.batch), given_up.get(taken.batch, {})
            if attempt in recorded:  # and it was given up before it was told
                self._settle(attempt, recorded[attempt])
            elif batch is None or not batch.is_open:
                self._settle_lost(attempt, taken, batch.error if batch else "")
        self._engine.resume([id_ for id_, batch in found.items() if batch.is_open])
        if self._jobs.has_parked(sites):
            self._jobs.unpark(sites)

    def _settle_lost(self, attempt: Attempt, taken: _Taken, error: str) -> None:
        """Note that the engine's database did not take an attempt's batch, or that DBOS gave that up."""
        site = self._service.sites.get(taken.job.site)
        if not error:
            self._notes.add(Note(attempt.job, attempt.number, WAITING, attempt.number))
            self._forget_taken(attempt)
        elif site:  # its result could not be recorded, or it took consumer after consumer with it
            point = work_point(EVENTS if taken.job.kind == EVENT else JOBS, taken.job.name)
            self._settle(attempt, _failed(taken.job, point, site, error).document())
        else:
            self._settle(attempt, GONE.document())

    async def _forget(self) -> None:
        before = time.time() - KEPT_S
        for forget in (self._jobs.forget_ended, self._engine.forget):
            while await asyncio.to_thread(forget, before):
                await asyncio.sleep(POLL_S)


def _tell(attempt: Attempt, ended: Callable[[Result], None], done: asyncio.Task[_Result | None]) -> None:
    result = None if done.cancelled() else done.result()
    ended(Result(attempt, result.document() if result else None))


def _failed(job: Job, point: Point, site: Site, error: str) -> _Result:
    chosen = work_settings(site, point)
    failures = job.attempt - job.first + 1
    if failures < chosen.attempts_max:
        return _Result(WAITING, error, time.time() + delay_s(chosen, failures))
    log.error("job_dead", kind=job.kind, job=job.id, site=job.site, name=job.name, attempts=failures)
    return _Result(DEAD, error.replace(point.kept, LAST))


def delay_s(chosen: JobSettings, failures: int) -> float:
    """
    Return the seconds until a job that failed this often in a row is tried again.
    """
    usual: float = min(chosen.retry_first_s * 2 ** (failures - 1), chosen.retry_max_s)
    return usual * random.uniform(1 - JITTER, 1 + JITTER)
