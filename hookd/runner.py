"""
One run, from a request to a reply: the page to read first.

    request → contract → hook → sandbox → contract → reply

Every way into hookd (HTTP, jobs, commands, tests of hooks) comes through `Runner.run`. It always returns a run with a
valid reply; the only thing it raises is what the sender has to mend, before any hook was asked. To it a job is a point
that is asked with the job and replies nothing.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from hookd import contract, logs, metrics
from hookd.breaker import Breaker
from hookd.documents import Json
from hookd.errors import Problem, ReplyError, Violation
from hookd.hooks import Hook, settings_of
from hookd.logs import mask
from hookd.points import JOBS, RECORD_POINT, Point
from hookd.quarantine import Quarantine
from hookd.sandbox.pool import Busy, End, Pool, Recipe, RunEnded, Worker
from hookd.settings import JobSettings
from hookd.sites import Site
from hookd.tools import Broker, RunCalls, StandIn, ToolCall

ACCOUNT_S = 0.005  # from the end of a run until its log line: a batch under load, which holds up nobody for long
RECORD_KILL_S = 9.8  # the reply of the record point is out within the connector's 10 s
WEAK_REMEDY = "`hookd doctor` tells what is missing; allow_weak_isolation = true runs them all the same."
SLOW_SHARE = 0.3  # of its limit that a run has to wait for a tool until this is what is told of it
BUSY_REMEDY = "Make the hooks that wait faster, or raise workers_max."

log = structlog.get_logger("hookd.run")


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why a run fell back, for people.

    Attributes:
        code: The reason, a word of the design: timeout, crash, memory, violation, error, contract, load, busy, …
        message: What is wrong and what is allowed.
        remedy: What to do.
        kept: What the call got instead.
        file: The hook's file; the point's name where there is none to blame.
        line: 0 where the whole file is meant.
    """

    code: str
    message: str
    remedy: str
    kept: str
    file: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(filter(None, (f"{place}: {self.message}", self.remedy, self.kept, f"[{self.code}]")))


@dataclass(slots=True)
class Run:
    """
    One execution of one hook, or the decision not to execute any.

    Attributes:
        run_id: 20 characters, ascending in time.
        outcome: ok, unchanged, cancelled or fallback.
        reason: Why it is no `ok`: no_hook, or the fallback's reason; "" otherwise.
        reply: The whole reply document.
        warnings: What is odd about the request and the reply, and cost nothing.
        printed: What the hook printed.
        times_ms: validate, wait, hook and total.
        digest: Of the hook's version, hex; "" where there is none.
        isolation: The level at which the hook was held, L0 to L4; "" where none ran.
        linkedid: Of the call, as the PBX names it; "" where the request does not tell.
        calls: What it asked of tools that act outside of the sandbox, in order.
    """

    run_id: str
    site: str
    point: str
    outcome: str = "unchanged"
    reason: str = ""
    reply: Json = None
    error: Failure | None = None
    warnings: tuple[Violation, ...] = ()
    printed: str = ""
    times_ms: dict[str, float] = field(default_factory=dict)
    digest: str = ""
    isolation: str = ""
    linkedid: str = ""
    calls: list[ToolCall] = field(default_factory=list)


def document(run: Run) -> dict[str, Json]:
    """
    Return the whole of *run*: what `?explain=1`, `hookd run --format json` and the journal show.
    """
    error = run.error and {
        "code": run.error.code,
        "file": run.error.file,
        "line": run.error.line,
        "message": run.error.message,
        "remedy": run.error.remedy,
        "text": str(run.error),
    }
    return {
        "run_id": run.run_id,
        "site": run.site,
        "point": run.point,
        "outcome": run.outcome,
        "reason": run.reason or None,
        "reply": run.reply,
        "error": error,
        "warnings": [{"path": warning.path, "message": warning.message} for warning in run.warnings],
        "print": run.printed,
        "calls": [call_document(call) for call in run.calls],
        "times_ms": {phase: round(milliseconds, 3) for phase, milliseconds in run.times_ms.items()},
        "digest": run.digest or None,
        "linkedid": run.linkedid or None,
        "isolation": run.isolation or None,
    }


def call_document(call: ToolCall) -> dict[str, Json]:
    """
    Return *call* as a document: what `?explain=1` and `--format json` show of a tool call.
    """
    return {
        "tool": call.tool,
        "method": call.method,
        "summary": call.summary,
        "ms": round(call.ms, 3),
        "error": call.error or None,
        "would_call": call.pretended,
    }


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What an HTTP request came with, for whoever writes runs down.

    Attributes:
        path: With the query.
        headers: Lower-case name → value.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


Note = Callable[[Run, Site, Json, Origin | None], None]


class Runner:
    """
    Runs hooks in the workers of *pool*, with the tools of *broker*.

    Args:
        quarantine: Versions of hooks that are not run, and where others are put.
        min_level: Isolation level below which no hook is run.
        stand_in: Answers calls of tools in their place, where a run says nothing else; None leaves them to the tools.
        note: Called with each run that has ended, its site, its request and where that came from; it must not wait.
    """

    def __init__(
        self,
        pool: Pool,
        broker: Broker,
        quarantine: Quarantine,
        *,
        min_level: int,
        stand_in: StandIn | None = None,
        note: Note = lambda *_: None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._quarantine = quarantine
        self._min_level = min_level
        self._breaker = Breaker()
        self._suspects: set[str] = set()  # digests of hooks one of which broke out of a worker that they shared
        self._stand_in = stand_in
        self._note = note
        self._ids = _run_ids()
        self._ended: list[Run] = []
        self.is_stopping = False

    async def run(
        self,
        site: Site,
        point: Point,
        document: Json,
        *,
        started: float,
        limit_s: float | None = None,
        odd: tuple[Violation, ...] = (),
        settings: Mapping[str, Json] | None = None,
        now: str | None = None,
        stand_in: StandIn | None = None,
        origin: Origin | None = None,
    ) -> Run:
        """
        Return the run of *site*'s hook for *point* on the request *document*.

        Args:
            started: Monotonic time at which the request's headers were there; the deadline counts from it.
            limit_s: A shorter limit that the sender asks for, in seconds; ignored at the record point.
            odd: What was odd about the request before it came here; becomes warnings of the run.
            settings: Used instead of the site's settings.toml (tests of hooks).
            now: ISO time at which the hook's clock stands still (tests of hooks).
            stand_in: Answers calls of tools in this run (tests of hooks, commands with --live).
            origin: What the request came with, where it came by HTTP.

        Raises:
            ContractError: No valid reply can be built from the request.
        """
        request = contract.read_request(point, document)
        run = Run(next(self._ids), site.name, point.name, warnings=odd + request.warnings)
        run.linkedid = _linkedid(request.raw)
        validated = time.monotonic()
        run.times_ms["validate"] = (validated - started) * 1000
        snapshot = site.hooks.snapshot
        hook = snapshot.hooks.get(point.name)
        if hook is None:
            self._without_hook(run, site, request)
        else:
            chosen = settings if settings is not None else settings_of(snapshot, point.name)
            order = _Order(site, point, hook, chosen, now, limit_s is not None, stand_in or self._stand_in)
            timeout_s = limit(site, point, limit_s)
            await self._with_hook(run, order, request, started=started, timeout_s=timeout_s, validated=validated)
        run.times_ms["total"] = (time.monotonic() - started) * 1000
        self._account_later(run)
        self._note(run, site, document, origin)
        return run

    def _account_later(self, run: Run) -> None:
        """
        Log and count *run* in a moment, together with others.

        Whoever waits for a reply waits for neither, and a batch costs a fraction of as many single ones: the code for
        it is in the processor's caches only once.
        """
        if not self._ended:
            asyncio.get_running_loop().call_later(ACCOUNT_S, self.account)
        self._ended.append(run)

    def account(self) -> None:
        """
        Log and count the runs that have ended.
        """
        ended, self._ended = self._ended, []
        with logs.together():
            for run in ended:
                try:
                    _account(run)
                except Exception:
                    log.exception("run_not_accounted", run=run.run_id)  # the others are

    def _without_hook(self, run: Run, site: Site, request: contract.Request) -> None:
        problems = site.hooks.snapshot.broken.get(request.point.name)
        if problems is None and request.point.is_job:
            _fall_back(run, site, request, _missing_failure(request.point, site))
        elif problems is None:
            run.reason = "no_hook"
            run.reply = contract.envelope(contract.unchanged(request))
        else:
            failure = _load_failure(request.point, problems)
            _fall_back(run, site, request, self._weak_failure(request.point, failure.file) if self.is_weak else failure)

    async def _with_hook(
        self,
        run: Run,
        order: "_Order",
        request: contract.Request,
        *,
        started: float,
        timeout_s: float,
        validated: float,
    ) -> None:
        run.digest = order.hook.digest
        refused = self._refuse(order)
        if refused:
            _fall_back(run, order.site, request, refused)
            return
        run.isolation = self._pool.isolation.name
        try:
            answer = await self._ask(run, order, request, deadline=started + timeout_s, validated=validated)
            self._read_answer(run, order, request, answer)
        except Busy:
            reason = "stopping" if self.is_stopping else "busy"
            failure = Failure(
                reason, _busy_message(self._pool, timeout_s), BUSY_REMEDY, request.point.kept, order.hook.file
            )
            self._breaker.void(order.key)
            _fall_back(run, order.site, request, failure)
        except RunEnded as ended:
            run.printed = ended.printed
            self._note_end(run, order, ended, timeout_s)
            _fall_back(run, order.site, request, _ended_failure(order, ended, timeout_s, run.calls))
        except asyncio.CancelledError:
            self._breaker.void(order.key)
            raise
        except Exception:
            # Our own mistake must not cost a call either.
            log.exception("run_internal_error", run=run.run_id, site=run.site, point=run.point)
            self._breaker.void(order.key)
            failure = Failure("internal", "hookd itself failed.", "See its log.", request.point.kept, order.hook.file)
            _fall_back(run, order.site, request, failure)

    async def _ask(
        self, run: Run, order: "_Order", request: contract.Request, *, deadline: float, validated: float
    ) -> dict[str, Any]:
        is_background = order.point.name == RECORD_POINT or order.point.is_job
        key = order.key
        if validated >= deadline:  # the body came after the deadline: nobody waits for a hook any more
            raise RunEnded(End.TIMEOUT, "", "")
        worker = await self._pool.acquire(
            order.site.name, key, deadline, is_background=is_background, recipe=self._recipe(order)
        )
        acquired = time.monotonic()
        run.times_ms["wait"] = (acquired - validated) * 1000
        calls = self._calls(order, deadline)
        messages, on_call = order.messages(worker, request.document), calls.begin if calls else None
        try:
            answer, run.printed = await self._pool.run(worker, messages, deadline, on_call)
            worker.site_message = order.site.message
            worker.loaded.add(order.hook.digest)
            if answer.get("error", {}).get("code") == "memory":
                self._pool.discard(worker)
                self._note_bad(order)
            else:
                self._breaker.good(key)
        finally:
            self._pool.release(worker, key, is_background=is_background)
            if calls:
                calls.close()
                run.calls = calls.made
            run.times_ms["hook"] = (time.monotonic() - acquired) * 1000
        return answer

    def _refuse(self, order: "_Order") -> Failure | None:
        """Why this hook is not run now, if it is not."""
        if self.is_weak:
            return self._weak_failure(order.point, order.hook.file)
        why = self._quarantine.why(order.site.name, order.hook.name, order.hook.digest)
        if why:
            message = f"this version is in quarantine: it did what no hook may do ({why})."
            remedy = "Read it with suspicion; another version of the file is free again."
            return Failure("quarantined", message, remedy, order.point.kept, order.hook.file)
        paused_s = self._breaker.admit(order.key, order.hook.digest, time.monotonic())
        if paused_s:
            message = f"it is paused, for it kept timing out or crashing; the next try is in {paused_s:.0f} s."
            return Failure("paused", message, "Saving a mended file ends the pause.", order.point.kept, order.hook.file)
        return None

    @property
    def is_weak(self) -> bool:
        """Whether the sandbox is too weak here for any hook to be run."""
        return self._pool.isolation.level < self._min_level

    def paused(self) -> dict[tuple[str, str], tuple[str, float]]:
        """Return the hooks that are paused, (site, name) → digest of the version, and the seconds still."""
        return self._breaker.paused(time.monotonic())

    def _weak_failure(self, point: Point, file: str) -> Failure:
        level = self._pool.isolation.name
        message = f"hooks are not run: their isolation is {level} here, min_isolation is L{self._min_level}."
        return Failure("isolation", message, WEAK_REMEDY, point.kept, file)

    def _note_end(self, run: Run, order: "_Order", ended: RunEnded, timeout_s: float) -> None:
        """A hook whose worker did not live is on its way to a pause, or to the quarantine."""
        if ended.end is End.VIOLATION:
            self._breaker.void(order.key)  # `on_violation` was called
        elif ended.is_foreign or (
            ended.end is End.TIMEOUT and (order.is_shortened or run.times_ms.get("hook", 0.0) < timeout_s * 500)
        ):
            self._breaker.void(order.key)  # a kill, the sender's short limit, or the queue is no fault of the hook
        else:
            self._note_bad(order)

    def on_violation(self, site: str, hosted: Mapping[str, set[str]], detail: str) -> None:
        """
        Put the hook into quarantine that broke out of a worker of *site*.

        Where several hooks were executed in it, nobody knows which of them it was. From now on they run in fresh
        workers, in which whoever does it again is alone.

        Args:
            hosted: Name of each hook that was executed in the worker → digests of its versions.
            detail: What it did.
        """
        digests: set[str] = set().union(*hosted.values())
        if len(hosted) == 1:
            (name,) = hosted
            for digest in digests:
                self._quarantine.add(site, name, digest, detail)
        elif not self._suspects >= digests:
            self._suspects |= digests
            log.error("hooks_suspected", site=site, hooks=sorted(hosted), detail=detail)

    def is_suspect(self, digest: str) -> bool:
        """Whether the version *digest* of a hook shared a worker with whatever broke out of it."""
        return digest in self._suspects

    def _note_bad(self, order: "_Order") -> None:
        pause_s = self._breaker.bad(order.key, order.hook.digest, time.monotonic())
        if pause_s:
            log.error("hook_paused", site=order.site.name, hook=order.hook.name, seconds=pause_s)

    def _recipe(self, order: "_Order") -> Recipe | None:
        """What is told ahead to the workers of a hook that runs in fresh ones."""
        if not order.is_fresh and not self.is_suspect(order.hook.digest):
            return None
        return Recipe(order.site.message, load_message(order.hook))

    def _calls(self, order: "_Order", deadline: float) -> RunCalls | None:
        if not order.hook.tools:
            return None
        return self._broker.begin(order.site.ground, order.hook.tools, deadline, order.stand_in)

    def _read_answer(self, run: Run, order: "_Order", request: contract.Request, answer: dict[str, Any]) -> None:
        if "error" in answer:
            _fall_back(run, order.site, request, _answer_failure(order, answer["error"]))
            return
        try:
            reply = contract.read_change(request, answer.get("ok"), is_cancel="cancel" in answer)
        except ReplyError as error:
            message = "; ".join(f"reply {violation}" for violation in error.violations)
            _fall_back(run, order.site, request, Failure("contract", message, "", request.point.kept, order.hook.file))
            return
        run.outcome = reply.outcome
        run.warnings += reply.warnings
        run.reply = contract.envelope(reply.data)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a worker has to know for a run."""

    site: Site
    point: Point
    hook: Hook
    settings: Mapping[str, Json]
    now: str | None
    is_shortened: bool
    stand_in: StandIn | None

    @property
    def key(self) -> tuple[str, str]:
        """The hook's name in the whole installation."""
        return self.site.name, self.hook.name

    @property
    def is_fresh(self) -> bool:
        """Whether the hook is to run in fresh workers."""
        own = self.site.settings.points.get(self.point.name)
        return (own.isolation if own and own.isolation else self.site.settings.isolation) == "fresh"

    def messages(self, worker: Worker, document: Json) -> list[dict[str, Any]]:
        """The messages that *worker* has not had yet, and the run."""
        messages = []
        if self.site.message is not worker.site_message:
            messages.append(self.site.message)
        if self.hook.digest not in worker.loaded:
            messages.append(load_message(self.hook))
        run = {"t": "run", "key": self.hook.digest, "document": document, "settings": self.settings, "now": self.now}
        return [*messages, run]


def load_message(hook: Hook) -> dict[str, Any]:
    """
    Return the message that has a worker compile *hook*.
    """
    return {
        "t": "load",
        "key": hook.digest,
        "kind": hook.kind,
        "name": hook.name,
        "file": hook.file,
        "source": hook.source,
        "libs": dict(hook.libs),
    }


def _run_ids() -> Iterator[str]:
    """48 bits of milliseconds, so that ids sort by time, and a number that each process starts at random."""
    number = random.SystemRandom().getrandbits(32)  # at the first run, thus after the processes were forked
    while True:
        number = number + 1 & 0xFFFFFFFF
        yield f"{time.time_ns() // 1_000_000:012x}{number:08x}"


def limit(site: Site, point: Point, asked_s: float | None) -> float:
    """
    Return the seconds from the request's headers until the hook is stopped.
    """
    if point.is_fixed:
        return RECORD_KILL_S
    if point.is_job:
        return job_settings(site, point.name.removeprefix(f"{JOBS}/")).timeout_s
    settings = site.settings.points.get(point.name)
    own = settings.timeout_s if settings and settings.timeout_s else point.timeout_s
    return min(own, asked_s) if asked_s is not None else own


def job_settings(site: Site, name: str) -> JobSettings:
    """
    Return what is set for the job *name* of *site*.
    """
    return site.settings.jobs.get(name) or JobSettings()


def _linkedid(raw: Mapping[str, Json]) -> str:
    call = raw.get("call_full")
    channel = call.get("channel") if isinstance(call, dict) else None
    found = channel.get("id") if isinstance(channel, dict) else None
    return found[:64] if isinstance(found, str) else ""


def _fall_back(run: Run, site: Site, request: contract.Request, failure: Failure) -> None:
    settings = site.settings.points.get(request.point.name)
    run.outcome, run.reason = "fallback", failure.code
    if settings and settings.on_error is not None:
        run.reply = contract.envelope(settings.on_error)
        failure = Failure(
            failure.code, failure.message, failure.remedy, "The connector got on_error.", failure.file, failure.line
        )
    else:
        run.reply = contract.envelope(contract.unchanged(request))
    run.error = failure


def _missing_failure(point: Point, site: Site) -> Failure:
    file = f"{point.name}.py"
    there = ", ".join(name for name in site.hooks.snapshot.hooks if name.startswith(f"{JOBS}/")) or "none"
    return Failure("load", f"there is no such job. Jobs: {there}.", "Put the file back.", point.kept, file)


def _load_failure(point: Point, problems: tuple[Problem, ...]) -> Failure:
    first, more = problems[0], len(problems) - 1
    message = first.message + (f" (and {more} more)" if more else "")
    return Failure("load", message, first.remedy, point.kept, first.file, first.line)


def _busy_message(pool: Pool, timeout_s: float) -> str:
    if not pool.is_up:
        return "the sandbox is being restarted."
    return f"no worker became free within {timeout_s:g} s; {pool.waiting} runs wait."


def _ended_failure(order: _Order, ended: RunEnded, timeout_s: float, calls: list[ToolCall]) -> Failure:
    kept, file = order.point.kept, order.hook.file
    if ended.end is End.TIMEOUT:
        where = "fixed by the connector" if order.point.is_fixed else f"[{order.point.table}] timeout_s"
        message = f"stopped at its limit of {timeout_s:g} s ({where})"
        slowest, seconds = _slowest(calls)
        if seconds >= timeout_s * SLOW_SHARE:
            message += f"; {seconds:.2f} s went into {slowest}."
            return Failure("timeout", message, _slow_remedy(calls, slowest), kept, file)
        return Failure("timeout", f"{message}.", "Look for a loop that never ends.", kept, file)
    if ended.end is End.VIOLATION:
        message = f"its worker did what no hook may do ({ended.detail})."
        return Failure("violation", message, "Read the hook with suspicion.", kept, file)
    message = f"its worker died ({ended.detail})."
    return Failure("crash", message, "Very deep nesting or a huge regular expression can do that.", kept, file)


def _slowest(calls: list[ToolCall]) -> tuple[str, float]:
    """The name of the calls that took longest together, and their seconds."""
    seconds: Counter[str] = Counter()
    for call in calls:
        seconds[call.name] += call.ms / 1000  # type: ignore[assignment]
    return seconds.most_common(1)[0] if seconds else ("", 0.0)


def _slow_remedy(calls: list[ToolCall], slowest: str) -> str:
    tool = slowest.partition(".")[0]
    if tool in ("http", "bitrix"):
        return f"Give {tool} a timeout_s, and go on without the answer: try: … except Exception: …"
    return "Call it less often." if len(calls) > 1 else "Give the point a longer timeout_s."


def _answer_failure(order: _Order, error: Mapping[str, Any]) -> Failure:
    if error["code"] == "contract":
        message = f"reply {error['path'] or '/'}: {error['message']}"
        return Failure("contract", message, error["remedy"], order.point.kept, order.hook.file)
    return Failure(error["code"], error["message"], error["remedy"], order.point.kept, error["file"], error["line"])


def _account(run: Run) -> None:
    metrics.runs(run.site, run.point, run.outcome, run.reason).inc()
    for phase, milliseconds in run.times_ms.items():
        metrics.seconds(phase).observe(milliseconds / 1000)
    if run.warnings:
        metrics.WARNINGS.labels(run.site, run.point).inc(len(run.warnings))
    facts: dict[str, Any] = {
        "run": run.run_id,
        "site": run.site,
        "point": run.point,
        "outcome": run.outcome,
        "ms": round(run.times_ms["total"], 2),
    }
    if run.isolation:
        facts["isolation"] = run.isolation
    if run.linkedid:
        facts["call"] = mask(run.linkedid)  # a uniqueid stays; what else a PBX calls its channels may hold a number
    if run.reason:
        facts["reason"] = run.reason
    if run.error:
        facts["error"] = mask(str(run.error))
    if run.warnings:
        facts["warnings"] = [mask(str(warning)) for warning in run.warnings]
    if run.calls:
        facts["calls"] = [_call_facts(call) for call in run.calls]
    if run.printed:
        facts["print"] = mask(run.printed)
    (log.warning if run.outcome == "fallback" else log.info)("run", **facts)


def _call_facts(call: ToolCall) -> dict[str, Any]:
    facts: dict[str, Any] = {"call": mask(call.name), "ms": round(call.ms, 2)}
    return facts | {"error": mask(call.error)} if call.error else facts
