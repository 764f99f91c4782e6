"""
The broker's side of the sandbox: one pool a process, owned by its event loop.

The pool has the zygote (`launcher`) fork workers, gives each to one site for life, hands them out to runs, which `talk`
to them, and kills them: at a run's deadline, when they misbehave, when they are worn out or idle. Killing is the only
timeout there is. Since everything happens on one event loop, there are no locks; a run waits for a worker, for its
frames or for its deadline, and whatever comes first wins.

    acquire() → worker → run() → release() or discard()

Who waits is served in order, but a hook holds at most half of the workers, so that one that never returns leaves room
for the others. Workers that belong to no site (spares) are forked ahead. A hook that is to run in fresh workers, one
run each, has some prepared for its next runs: locked, bound to its site, the hook compiled.
"""

import asyncio
import signal
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from hookd.errors import SandboxError
from hookd.sandbox.isolation import Isolation
from hookd.sandbox.launcher import ZYGOTE, Launcher
from hookd.sandbox.talk import Talk
from hookd.sandbox.workers import Busy, End, Message, OnCall, Recipe, RunEnded, State, Worker, ended

__all__ = ["Busy", "End", "OnCall", "Pool", "Recipe", "RunEnded", "State", "Worker"]

IDLE_S = 60.0  # an idle site worker is kept this long
RUNS_MAX = 10_000  # of one worker; a fork costs 3 ms, so this is free, and whatever leaks slowly goes with it
CPU_MAX_S = 30.0  # of one worker
RSS_GROWTH_KB = 65_536  # of one worker since its first run
WAITING_MAX = 1024  # runs of one process that wait for a worker; more are busy at once
KILL_WAIT_S = 2.5  # for the zygote to reap a worker that it was told to kill; 300 MB take 22 ms on a quiet machine
EXIT_WAIT_S = 1.0  # for the word on how a worker ended: usually 1 ms, a crash 50 ms, on a busy machine over 250
READY_S = 5.0  # from the order to fork a worker until it is locked; usually 5 ms
FORK_DELAYS_S = (0.05, 0.2, 1.0, 5.0)  # after workers that did not come up
USUAL_WEIGHT = 0.2  # of the latest run in what runs of a hook usually take

log = structlog.get_logger("hookd.sandbox")


@dataclass(slots=True, eq=False)
class _Waiter:
    site: str
    hook: Hashable
    is_background: bool
    recipe: Recipe | None
    deadline: float
    future: "asyncio.Future[Worker]"


@dataclass(slots=True, eq=False)
class _Fresh:
    """A hook that runs in fresh workers, and those that wait for its next runs."""

    site: str
    recipe: Recipe
    asked_at: float
    workers: "deque[Worker]" = field(default_factory=deque)


class Pool:
    """
    The workers of one process.

    Args:
        workers_max: Most workers at once, over all sites.
        spares: Workers to keep ready that belong to no site.
        fresh_spares: Workers to keep prepared for each hook that runs in fresh ones.
        on_change: Called with the number of workers by state whenever it changed.
        on_violation: Called with the site of a worker that did what no worker does, its `hosted`, and what it did.
        zygote: The command that is the zygote.
    """

    def __init__(
        self,
        *,
        workers_max: int,
        spares: int,
        fresh_spares: int = 2,
        on_change: Callable[[Mapping[State, int]], None] = lambda _: None,
        on_violation: Callable[[str, Mapping[str, set[str]], str], None] = lambda *_: None,
        zygote: Sequence[str] = ZYGOTE,
    ) -> None:
        self._workers_max = workers_max
        self._spares_wanted = min(spares, workers_max)
        self._fresh_wanted = fresh_spares
        self._hook_max = max(1, workers_max // 2)
        self._on_change = on_change
        self._on_violation = on_violation
        self._talk = Talk(
            on_ready=self._on_ready, on_deadline=self._kill, on_violation=self._violate, on_end=self._on_end
        )
        self._workers: dict[int, Worker] = {}
        self._idle: dict[str, list[Worker]] = {}
        self._spares: deque[Worker] = deque()
        self._fresh: dict[Hashable, _Fresh] = {}
        self._waiting: deque[_Waiter] = deque()
        self._held: Counter[Hashable] = Counter()
        self._background = 0
        self._numbers = 0
        self._launcher = Launcher(on_exited=self._on_exited, on_death=self._on_death, on_up=self._on_up, zygote=zygote)
        self._usual_s: dict[Hashable, float] = {}  # seconds that runs of a hook took lately
        self._failed_starts = 0
        self._forks_from = 0.0
        self._is_closing = False
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def is_up(self) -> bool:
        """Whether the zygote is there and can fork."""
        return self._launcher.is_up

    @property
    def isolation(self) -> Isolation:
        """What keeps the workers in; of the zygote that was started last."""
        return self._launcher.isolation

    @property
    def waiting(self) -> int:
        """How many runs wait for a worker."""
        return len(self._waiting)

    def states(self) -> Mapping[State, int]:
        """Return the number of workers by state."""
        return Counter(worker.state for worker in self._workers.values())

    def pids(self) -> list[int]:
        """Return the process ids of the zygote and of the workers."""
        return self._launcher.pids() + [worker.pid for worker in self._workers.values() if worker.pid]

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """
        Start the zygote and the spares.

        Raises:
            SandboxError: The zygote did not come up.
        """
        self._loop = asyncio.get_running_loop()
        self._talk.begin()
        await self._launcher.start()
        await self._try_worker()
        self._refill()
        self._sweep = self._loop.call_later(1.0, self._end_idle)

    async def _try_worker(self) -> None:
        """Wait for a first worker: where none comes up, hookd cannot serve, and says so before it takes a call."""
        self._spawn()
        end = time.monotonic() + READY_S
        while not self._spares:
            if time.monotonic() > end or not self._workers:
                raise SandboxError("no sandbox worker comes up; what it said of it stands above")
            await asyncio.sleep(0.002)

    async def close(self) -> None:
        """
        End every worker and the zygote; nothing of them is left when this returns.
        """
        self._is_closing = True
        if self._sweep:
            self._sweep.cancel()
        for waiter in self._waiting:
            if not waiter.future.done():
                waiter.future.set_exception(Busy())
        self._waiting.clear()
        for worker in list(self._workers.values()):
            self._kill(worker)
        end = time.monotonic() + KILL_WAIT_S
        while self._workers and self.is_up and time.monotonic() < end:
            await asyncio.sleep(0.002)  # until the zygote has reaped them
        await self._launcher.close()
        for worker in list(self._workers.values()):
            self._forget(worker, -signal.SIGKILL)

    def _on_exited(self, number: int, status: int, call: str) -> None:
        if number in self._workers:
            self._forget(self._workers[number], status, call)

    def _on_death(self) -> None:
        for worker in list(self._workers.values()):
            worker.is_ready = True  # it is no fault of a start that the zygote died
            self._forget(worker, -signal.SIGKILL)

    def _on_up(self) -> None:
        self._failed_starts, self._forks_from = 0, 0.0
        self._refill()
        self._dispatch()

    # --- workers ------------------------------------------------------------------------------------------------

    def _spawn(self) -> Worker | None:
        if not self.is_up or self._is_closing:
            return None
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            log.error("worker_not_forked", error=str(error))
            return None
        self._numbers += 1
        worker = Worker(self._numbers, ours)
        self._talk.listen(worker)
        with theirs:
            if not self._launcher.fork(worker.number, theirs):
                self._talk.hang_up(worker)
                return None
        self._workers[worker.number] = worker
        self._loop.call_later(READY_S, self._end_unready, worker)
        return worker

    def _end_unready(self, worker: Worker) -> None:
        if worker.state is State.STARTING:
            log.error("worker_not_ready", worker=worker.number, seconds=READY_S)
            self._kill(worker)

    def _refill(self) -> None:
        self._prepare()
        # Whoever waits took a spare or will: fork for them as well as for the reserve.
        wanted = self._spares_wanted + self._starved() + self._unprepared()
        coming = sum(worker.state is State.STARTING for worker in self._workers.values())
        can_fork = not self._is_closing and time.monotonic() >= self._forks_from
        while can_fork and len(self._spares) + coming < wanted and len(self._workers) < self._workers_max:
            can_fork = self._spawn() is not None
            coming += can_fork
        self._on_change(self.states())

    def _prepare(self) -> None:
        """Tell spares of the hooks that run in fresh workers what they will need."""
        # Those that have the fewest come first, of them those that ran last.
        for hook, fresh in sorted(self._fresh.items(), key=lambda item: (len(item[1].workers), -item[1].asked_at)):
            while self._spares and len(fresh.workers) < self._fresh_wanted and self._unprepared():
                worker = self._spares.popleft()
                worker.site, worker.prepared_for, worker.state = fresh.site, hook, State.PREPARED
                worker.site_message = fresh.recipe.site_message
                worker.loaded.add(fresh.recipe.load_message["key"])
                fresh.workers.append(worker)
                self._talk.tell(worker, (fresh.recipe.site_message, fresh.recipe.load_message))

    def _unprepared(self) -> int:
        """How many more workers should be prepared: half of all workers at most are."""
        prepared = [len(fresh.workers) for fresh in self._fresh.values()]
        return min(self._hook_max, self._fresh_wanted * len(prepared)) - sum(prepared)

    def _starved(self) -> int:
        """How many of the waiting runs could go on if there were a worker for each."""
        held, background, starved = Counter(self._held), self._background, 0
        for waiter in self._waiting:
            if waiter.future.done():
                continue
            if held[waiter.hook] >= self._hook_max or (waiter.is_background and background >= self._hook_max):
                continue
            held[waiter.hook] += 1
            background += waiter.is_background
            starved += 1
        return starved

    def _kill(self, worker: Worker) -> None:
        if worker.state is State.ENDING:
            return
        worker.state = State.ENDING
        self._detach(worker)
        self._order_kill(worker)

    def _order_kill(self, worker: Worker) -> None:
        if not self.is_up:
            return
        if not self._launcher.kill(worker.number):
            self._kill_zygote(worker)
        self._loop.call_later(KILL_WAIT_S, self._kill_zygote, worker)

    def _kill_zygote(self, worker: Worker) -> None:
        """*worker* should be dead by now; the zygote that did not see to it goes, and all its workers with it."""
        if self._workers.get(worker.number) is worker and not self._is_closing:
            self._launcher.kill_zygote()

    def _detach(self, worker: Worker) -> None:
        """Stop listening to *worker* and hand it out no more."""
        self._talk.hang_up(worker)
        if worker.site is not None and worker in self._idle.get(worker.site, ()):
            self._idle[worker.site].remove(worker)
            if not self._idle[worker.site]:
                del self._idle[worker.site]
        elif worker in self._spares:
            self._spares.remove(worker)
        elif worker.prepared_for in self._fresh and worker in self._fresh[worker.prepared_for].workers:
            self._fresh[worker.prepared_for].workers.remove(worker)

    def _forget(self, worker: Worker, status: int, call: str = "") -> None:
        """*worker* was reaped: tell whoever waits for it, and fork another if one is needed."""
        if worker.state is State.BUSY and worker.channel.fileno() >= 0:
            self._talk.receive(worker)  # its answer may have come just before its end
        if not worker.is_ready and not self._is_closing:
            self._note_failed_start(worker, status)
        self._note_unprepared(worker)
        self._detach(worker)
        worker.state = State.ENDING
        del self._workers[worker.number]
        end = ended(worker, status, call)
        if end.end is End.VIOLATION:
            self._accuse(worker, end.detail)
        self._talk.end(worker, end)
        self._refill()
        self._dispatch()

    def _accuse(self, worker: Worker, detail: str) -> None:
        """*worker* did what no honest one does, within a run or after it: say which hooks it has executed."""
        log.error("worker_violation", worker=worker.number, site=worker.site, detail=detail)
        if worker.site is not None and worker.hosted:
            self._on_violation(worker.site, dict(worker.hosted), detail)

    def _note_failed_start(self, worker: Worker, status: int) -> None:
        """A worker that does not come up would not the next time either: fork ever more slowly."""
        delay_s = FORK_DELAYS_S[min(self._failed_starts, len(FORK_DELAYS_S) - 1)]
        self._failed_starts += 1
        self._forks_from = time.monotonic() + delay_s
        self._loop.call_later(delay_s, self._refill)
        log.error("worker_start_failed", worker=worker.number, status=status, next_try_s=delay_s)

    def forget_site(self, site: str) -> None:
        """
        End the workers of *site*, which is gone: another one of its name gets others.
        """
        for hook in [hook for hook, fresh in self._fresh.items() if fresh.site == site]:
            self._drop_fresh(hook)
        for worker in [worker for worker in self._workers.values() if worker.site == site]:
            if worker.state is State.IDLE:
                self._kill(worker)
            else:
                worker.runs = RUNS_MAX

    def _end_idle(self) -> None:
        """Every second: end the site workers that had nothing to do for IDLE_S."""
        limit = time.monotonic() - IDLE_S
        for workers in list(self._idle.values()):
            for worker in [worker for worker in workers if worker.idle_since < limit]:
                self._kill(worker)
        for hook in [hook for hook, fresh in self._fresh.items() if fresh.asked_at < limit]:
            self._drop_fresh(hook)
        self._sweep = self._loop.call_later(1.0, self._end_idle)

    def _note_unprepared(self, worker: Worker) -> None:
        """A prepared worker that ends by itself: the next one would too, so there is none until the next run."""
        if worker.state is State.PREPARED:
            log.error("worker_not_prepared", worker=worker.number, site=worker.site)
            self._drop_fresh(worker.prepared_for)

    def _drop_fresh(self, hook: Hashable) -> None:
        """*hook* needs no prepared workers any more."""
        for worker in list(self._fresh[hook].workers):
            self._kill(worker)
        del self._fresh[hook]

    # --- handing out ---------------------------------------------------------------------------------------------

    async def acquire(
        self,
        site: str,
        hook: Hashable,
        deadline: float,
        *,
        is_background: bool = False,
        recipe: Recipe | None = None,
    ) -> Worker:
        """
        Return a worker of *site* for a run of *hook*, by *deadline* (monotonic time).

        Args:
            is_background: Whether the run may wait for the sake of calls.
            recipe: Of a hook that runs in fresh workers: the worker has run nothing, and is ended when it is released.

        Raises:
            Busy: There was none by then, or too many runs wait already.
        """
        if recipe:
            self._note_fresh(site, hook, recipe)
        # A free worker here is one that no waiting run could take: they were served when it became free.
        if self._may_hold(hook, is_background):
            worker = self._take(site, hook, recipe)
            if worker:
                return self._hold(worker, hook, is_background=is_background)
        if len(self._waiting) >= WAITING_MAX or self._is_closing:
            raise Busy
        waiter = _Waiter(site, hook, is_background, recipe, deadline, self._loop.create_future())
        self._waiting.append(waiter)
        self._dispatch()
        timer = self._loop.call_at(deadline, _give_up, waiter.future)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self.release(waiter.future.result(), hook, is_background=is_background)
            raise
        finally:
            timer.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def release(self, worker: Worker, hook: Hashable, *, is_background: bool = False) -> None:
        """
        Take *worker* back after a run of *hook*; one that is worn out or ended is replaced.
        """
        self._held[hook] -= 1
        if not self._held[hook]:
            del self._held[hook]
        if worker.asked:
            before = self._usual_s.get(hook, 0.0)
            self._usual_s[hook] = before + (time.monotonic() - worker.asked_at - before) * USUAL_WEIGHT
            worker.asked = ""
        self._background -= is_background
        if worker.state is State.BUSY:
            if worker.is_worn or worker.is_fresh:
                self._kill(worker)
            else:
                worker.state = State.IDLE
                worker.idle_since = time.monotonic()
                self._idle.setdefault(worker.site or "", []).append(worker)
        if self._waiting:
            self._dispatch()

    def _may_hold(self, hook: Hashable, is_background: bool) -> bool:
        if is_background and self._background >= self._hook_max:
            return False
        return self._held[hook] < self._hook_max

    def _hold(self, worker: Worker, hook: Hashable, *, is_background: bool) -> Worker:
        worker.state = State.BUSY
        self._held[hook] += 1
        self._background += is_background
        return worker

    def _note_fresh(self, site: str, hook: Hashable, recipe: Recipe) -> None:
        fresh = self._fresh.setdefault(hook, _Fresh(site, recipe, 0.0))
        fresh.asked_at = time.monotonic()
        fresh.recipe = recipe
        for worker in [worker for worker in fresh.workers if not recipe.is_in(worker)]:
            self._kill(worker)  # prepared for a version that is no more

    def _take(self, site: str, hook: Hashable, recipe: Recipe | None) -> Worker | None:
        """A free worker of *site*, or a spare that becomes one; one that has run nothing where there is a *recipe*."""
        worker = self._take_prepared(hook) if recipe else self._take_idle(site)
        if worker is None and self._spares:
            worker = self._spares.popleft()
            worker.site = site
            worker.state = State.BUSY
            if not recipe:
                log.info("worker_bound", worker=worker.number, pid=worker.pid, site=site)
            self._refill()
        if worker and recipe:
            worker.is_fresh = True
        return worker

    def _take_idle(self, site: str) -> Worker | None:
        idle = self._idle.get(site)
        if not idle:
            return None
        worker = idle.pop()  # the one used last: its caches are warm, and the others may grow old
        if not idle:
            del self._idle[site]
        return worker

    def _take_prepared(self, hook: Hashable) -> Worker | None:
        fresh = self._fresh.get(hook)
        return fresh.workers.popleft() if fresh and fresh.workers else None

    def _dispatch(self) -> None:
        """
        Serve who waits, in order; fork for the rest, if need be in the place of other sites' idle workers.
        """
        now = time.monotonic()
        for waiter in list(self._waiting):
            if waiter.future.done():
                continue
            if waiter.deadline - now < self._usual_s.get(waiter.hook, 0.0):
                # It would be killed half-way, for nothing, and the next one after it: under overload no run would end.
                waiter.future.set_exception(Busy())
                continue
            if not self._may_hold(waiter.hook, waiter.is_background):
                continue
            worker = self._take(waiter.site, waiter.hook, waiter.recipe)
            if worker:
                self._waiting.remove(waiter)
                waiter.future.set_result(self._hold(worker, waiter.hook, is_background=waiter.is_background))
        starved = self._starved()
        if not starved:
            return
        self._refill()
        coming = sum(worker.state in (State.STARTING, State.ENDING) for worker in self._workers.values())
        for workers in [*self._idle.values(), *(fresh.workers for fresh in self._fresh.values() if fresh.workers)]:
            if coming >= starved:
                return
            self._kill(workers[0])
            coming += 1

    # --- runs ----------------------------------------------------------------------------------------------------

    async def run(
        self, worker: Worker, messages: list[Message], deadline: float, on_call: OnCall | None = None
    ) -> tuple[Message, str]:
        """
        Send *messages*, the last of which is answered, and return the answer and what the hook printed.

        Args:
            on_call: Gets the tool calls that the hook makes meanwhile; without it a call is a violation.

        Raises:
            RunEnded: The worker was killed at *deadline* (monotonic time), or ended by itself.
        """
        if worker.state is not State.BUSY:
            raise RunEnded(End.CRASH, "it ended before the run", "")
        try:
            answer, printed = await self._talk.ask(worker, messages, deadline, on_call)
        except asyncio.CancelledError:
            self._kill(worker)
            raise
        self._wear(worker, answer)
        return answer, printed

    def discard(self, worker: Worker) -> None:
        """
        End *worker*, whose state can be trusted no more; `release` it all the same.
        """
        self._kill(worker)

    def _wear(self, worker: Worker, answer: Message) -> None:
        worker.runs += 1
        rss_kb, cpu_s = answer.get("rss_kb", 0), answer.get("cpu_s", 0.0)  # a check has no figures
        worker.first_rss_kb = worker.first_rss_kb or rss_kb
        worker.is_worn = worker.runs >= RUNS_MAX or cpu_s >= CPU_MAX_S or rss_kb - worker.first_rss_kb >= RSS_GROWTH_KB

    def _on_ready(self, worker: Worker) -> None:
        worker.state = State.SPARE
        worker.is_ready = True
        self._spares.append(worker)
        self._failed_starts = 0
        self._dispatch()
        self._refill()

    def _violate(self, worker: Worker, detail: str) -> None:
        """*worker* broke the protocol: no honest worker does, so a hook has taken it over."""
        self._accuse(worker, detail)
        self._note_unprepared(worker)
        self._kill(worker)

    def _on_end(self, worker: Worker) -> None:
        """
        The worker's end of the channel is closed: it is dead or dying, and the zygote will say how.
        """
        self._note_unprepared(worker)
        self._detach(worker)
        worker.state = State.ENDING
        self._loop.call_later(EXIT_WAIT_S, self._end_unexplained, worker)

    def _end_unexplained(self, worker: Worker) -> None:
        self._talk.end(worker, RunEnded(End.CRASH, "the worker closed its channel", "".join(worker.printed)))
        if worker.number in self._workers:
            self._order_kill(worker)


def _give_up(future: "asyncio.Future[Worker]") -> None:
    if not future.done():
        future.set_exception(Busy())
