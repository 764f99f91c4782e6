"""
One run, from a request to a reply: the page to read first.

    request → contract → hook → sandbox → contract → reply

Every way into hookd (HTTP, jobs, commands, tests of hooks) comes through `Runner.run`. It always returns a run with a
valid reply; the only thing it raises is what the sender has to mend, before any hook was asked. To it a job or an
event is a point that is asked with it and replies nothing, and a placement one that replies a page.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from hookd import contract, failures, runs
from hookd.accounting import Accounting
from hookd.breaker import Breaker
from hookd.documents import Json
from hookd.errors import ReplyError, Violation
from hookd.hook_settings import settings_of
from hookd.orders import Order
from hookd.points import Point
from hookd.portal.rest import Who
from hookd.quarantine import Quarantine
from hookd.runs import Failure, Origin, Run
from hookd.sandbox.pool import Busy, End, Pool, RunEnded
from hookd.settings import JobSettings
from hookd.sites import Site
from hookd.tools import Broker, RunCalls, StandIn

RECORD_KILL_S = 9.8  # the reply of the record point is out within the connector's 10 s

log = structlog.get_logger("hookd.run")

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
        self._stand_in = stand_in
        self._note = note
        self._accounting = Accounting()
        self._ids = runs.ids()
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
        frame: Mapping[str, str] | None = None,
        who: Who | None = None,
        portal: str = "",
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
            frame: What the page of a placement is shown in (`sandbox.templates.Frame`).
            who: As whom the portal is asked; None leaves it to the site's settings.
            portal: Id of the portal that asks, which the hook's `bitrix` then asks back; "" where none does.

        Raises:
            ContractError: No valid reply can be built from the request.
        """
        request = contract.read_request(point, document)
        run = Run(next(self._ids), site.name, point.name, warnings=odd + request.warnings)
        run.linkedid = runs.linkedid(request.raw)
        validated = time.monotonic()
        run.times_ms["validate"] = (validated - started) * 1000
        snapshot = site.hooks.snapshot
        hook = snapshot.hooks.get(point.name)
        if hook is None:
            self._without_hook(run, site, request)
        else:
            order = Order(
                site,
                point,
                hook,
                settings_of(snapshot, point.name) if settings is None else settings,
                started=started,
                validated=validated,
                timeout_s=limit(site, point, limit_s),
                is_shortened=limit_s is not None,
                now=now,
                stand_in=stand_in or self._stand_in,
                frame=frame,
                who=who,
                portal=portal,
            )
            await self._with_hook(run, order, request)
        run.times_ms["total"] = (time.monotonic() - started) * 1000
        self._accounting.add(run)
        self._note(run, site, document, origin)
        return run

    @property
    def is_weak(self) -> bool:
        """Whether the sandbox is too weak here for any hook to be run."""
        return self._pool.isolation.level < self._min_level

    def paused(self) -> dict[tuple[str, str], tuple[str, float]]:
        """Return the hooks that are paused, (site, name) → digest of the version, and the seconds still."""
        return self._breaker.paused(time.monotonic())

    def account(self) -> None:
        """
        Log and count the runs that have ended: none is left when hookd stops.
        """
        self._accounting.settle()

    def _without_hook(self, run: Run, site: Site, request: contract.Request) -> None:
        point = request.point
        problems = site.hooks.snapshot.broken.get(point.name)
        if problems is None and point.is_durable:
            _fall_back(run, site, request, failures.missing(point, site))
        elif problems is None:
            run.reason = "no_hook"
            run.reply = contract.envelope(contract.unchanged(request))
        else:
            failure = failures.broken(point, problems)
            _fall_back(run, site, request, self._weak(point, failure.file) if self.is_weak else failure)

    async def _with_hook(self, run: Run, order: Order, request: contract.Request) -> None:
        run.digest = order.hook.digest
        refused = self._refuse(order)
        if refused:
            _fall_back(run, order.site, request, refused)
            return
        run.isolation = self._pool.isolation.name
        try:
            answer = await self._ask(run, order, request)
            _read_answer(run, order, request, answer)
        except Busy:
            self._breaker.void(order.key)
            _fall_back(run, order.site, request, failures.busy(order, self._pool, is_stopping=self.is_stopping))
        except RunEnded as ended:
            run.printed = ended.printed
            self._note_end(run, order, ended)
            _fall_back(run, order.site, request, failures.ended(order, ended, run.calls))
        except asyncio.CancelledError:
            self._breaker.void(order.key)
            raise
        except Exception:
            # Our own mistake must not cost a call either.
            log.exception("run_internal_error", run=run.run_id, site=run.site, point=run.point)
            self._breaker.void(order.key)
            _fall_back(run, order.site, request, failures.internal(order))

    async def _ask(self, run: Run, order: Order, request: contract.Request) -> dict[str, Any]:
        """Have a worker run the hook, within the deadline, and return what it answers."""
        if order.validated >= order.deadline:  # the body came after it: nobody waits for a hook any more
            raise RunEnded(End.TIMEOUT, "", "")
        is_alone = order.is_fresh or self._quarantine.is_suspect(order.hook.digest)
        worker = await self._pool.acquire(
            order.site.name,
            order.key,
            order.deadline,
            is_background=order.is_background,
            recipe=order.recipe if is_alone else None,
        )
        acquired = time.monotonic()
        run.times_ms["wait"] = (acquired - order.validated) * 1000
        calls = self._calls(order)
        messages, on_call = order.messages(worker, request.document), calls.begin if calls else None
        try:
            answer, run.printed = await self._pool.run(worker, messages, order.deadline, on_call)
            worker.site_message = order.site.message
            worker.loaded.add(order.hook.digest)
            if answer.get("error", {}).get("code") == "memory":
                self._pool.discard(worker)
                self._note_bad(order)
            else:
                self._breaker.good(order.key)
        finally:
            self._pool.release(worker, order.key, is_background=order.is_background)
            if calls:
                calls.close()
                run.calls = calls.made
            run.times_ms["hook"] = (time.monotonic() - acquired) * 1000
        return answer

    def _refuse(self, order: Order) -> Failure | None:
        """Why this hook is not run now, if it is not."""
        if self.is_weak:
            return self._weak(order.point, order.hook.file)
        why = self._quarantine.why(order.site.name, order.hook.name, order.hook.digest)
        if why:
            return failures.quarantined(order, why)
        paused_s = self._breaker.admit(order.key, order.hook.digest, time.monotonic())
        return failures.paused(order, paused_s) if paused_s else None

    def _weak(self, point: Point, file: str) -> Failure:
        return failures.weak(point, file, level=self._pool.isolation.name, min_level=self._min_level)

    def _note_end(self, run: Run, order: Order, ended: RunEnded) -> None:
        """A hook whose worker did not live is on its way to a pause, or to the quarantine."""
        if ended.end is End.VIOLATION:
            self._breaker.void(order.key)  # the quarantine was told by the pool
        elif ended.is_foreign or (
            ended.end is End.TIMEOUT and (order.is_shortened or run.times_ms.get("hook", 0.0) < order.timeout_s * 500)
        ):
            self._breaker.void(order.key)  # a kill, the sender's short limit, or the queue is no fault of the hook
        else:
            self._note_bad(order)

    def _note_bad(self, order: Order) -> None:
        pause_s = self._breaker.bad(order.key, order.hook.digest, time.monotonic())
        if pause_s:
            log.error("hook_paused", site=order.site.name, hook=order.hook.name, seconds=pause_s)

    def _calls(self, order: Order) -> RunCalls | None:
        if not order.hook.tools:
            return None
        return self._broker.begin(order.ground, order.hook.tools, order.deadline, order.stand_in)


def limit(site: Site, point: Point, asked_s: float | None) -> float:
    """
    Return the seconds from the request's headers until the hook is stopped.
    """
    if point.is_fixed:
        return RECORD_KILL_S
    if point.is_durable:
        return work_settings(site, point).timeout_s
    settings = site.settings.points.get(point.name)
    own = settings.timeout_s if settings and settings.timeout_s else point.timeout_s
    return min(own, asked_s) if asked_s is not None else own


def work_settings(site: Site, point: Point) -> JobSettings:
    """
    Return what is set for the job, or for the events of the hook, that *point* stands for.
    """
    own = site.settings.events if point.is_event else site.settings.jobs
    return own.get(point.entry) or JobSettings(timeout_s=point.timeout_s)


def _read_answer(run: Run, order: Order, request: contract.Request, answer: dict[str, Any]) -> None:
    if "error" in answer:
        _fall_back(run, order.site, request, failures.raised(order, answer["error"]))
        return
    try:
        reply = contract.read_change(request, answer.get("ok"), is_cancel="cancel" in answer)
    except ReplyError as error:
        _fall_back(run, order.site, request, failures.refused(order, error))
        return
    run.outcome = reply.outcome
    run.warnings += reply.warnings
    run.reply = contract.envelope(reply.data)


def _fall_back(run: Run, site: Site, request: contract.Request, failure: Failure) -> None:
    settings = site.settings.points.get(request.point.name)
    run.outcome, run.reason = "fallback", failure.code
    if settings and settings.on_error is not None:
        run.reply = contract.envelope(settings.on_error)
        run.error = replace(failure, kept="The connector got on_error.")
    else:
        run.reply = contract.envelope(contract.unchanged(request))
        run.error = failure
