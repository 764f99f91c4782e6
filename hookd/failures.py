"""
Why runs fall back, in words for people: what went wrong, what is allowed, what to do, what the call gets.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from hookd.errors import Problem, ReplyError
from hookd.orders import Order
from hookd.points import Point, kind_of
from hookd.runs import Failure
from hookd.sandbox.pool import End, Pool, RunEnded
from hookd.sites import Site
from hookd.tools import ToolCall

WEAK_REMEDY = "`hookd doctor` tells what is missing; allow_weak_isolation = true runs them all the same."
BUSY_REMEDY = "Make the hooks that wait faster, or raise workers_max."
SLOW_SHARE = 0.3  # of its limit that a run has to wait for a tool until this is what is told of it


def missing(point: Point, site: Site) -> Failure:
    """
    Return that *site* has no file for *point*, a job or an event that was promised.
    """
    file = f"{point.name}.py"
    there = ", ".join(name for name in site.hooks.snapshot.hooks if kind_of(name) == point.kind) or "none"
    what = "hook of events" if point.is_event else "job"
    message = f"there is no such {what}. {'Hooks of events' if point.is_event else 'Jobs'}: {there}."
    return Failure("load", message, "Put the file back.", point.kept, file)


def broken(point: Point, problems: tuple[Problem, ...]) -> Failure:
    """
    Return that the file for *point* cannot be used: the first of its *problems*, and how many more there are.
    """
    first, more = problems[0], len(problems) - 1
    message = first.message + (f" (and {more} more)" if more else "")
    return Failure("load", message, first.remedy, point.kept, first.file, first.line)


def weak(point: Point, file: str, *, level: str, min_level: int) -> Failure:
    """
    Return that no hook is run at the isolation *level*, such as L1.
    """
    message = f"hooks are not run: their isolation is {level} here, min_isolation is L{min_level}."
    return Failure("isolation", message, WEAK_REMEDY, point.kept, file)


def quarantined(order: Order, why: str) -> Failure:
    """
    Return that this version of the hook once did *why*.
    """
    message = f"this version is in quarantine: it did what no hook may do ({why})."
    remedy = "Read it with suspicion; another version of the file is free again."
    return Failure("quarantined", message, remedy, order.point.kept, order.hook.file)


def paused(order: Order, seconds: float) -> Failure:
    """
    Return that the hook is paused for so many *seconds* still.
    """
    message = f"it is paused, for it kept timing out or crashing; the next try is in {seconds:.0f} s."
    return Failure("paused", message, "Saving a mended file ends the pause.", order.point.kept, order.hook.file)


def busy(order: Order, pool: Pool, *, is_stopping: bool) -> Failure:
    """
    Return that *pool* had no worker for the run in its time.
    """
    reason = "stopping" if is_stopping else "busy"
    if pool.is_up:
        message = f"no worker became free within {order.timeout_s:g} s; {pool.waiting} runs wait."
    else:
        message = "the sandbox is being restarted."
    return Failure(reason, message, BUSY_REMEDY, order.point.kept, order.hook.file)


def internal(order: Order) -> Failure:
    """
    Return that hookd made a mistake.
    """
    return Failure("internal", "hookd itself failed.", "See its log.", order.point.kept, order.hook.file)


def ended(order: Order, how: RunEnded, calls: list[ToolCall]) -> Failure:
    """
    Return that the hook's worker did not outlive the run, in which the hook had made *calls*.
    """
    kept, file = order.point.kept, order.hook.file
    if how.end is End.TIMEOUT:
        return _timeout(order, calls)
    if how.end is End.VIOLATION:
        message = f"its worker did what no hook may do ({how.detail})."
        return Failure("violation", message, "Read the hook with suspicion.", kept, file)
    message = f"its worker died ({how.detail})."
    return Failure("crash", message, "Very deep nesting or a huge regular expression can do that.", kept, file)


def raised(order: Order, error: Mapping[str, Any]) -> Failure:
    """
    Return the *error* that the worker answers with in the place of a reply.
    """
    if error["code"] == "contract":
        message = f"reply {error['path'] or '/'}: {error['message']}"
        return Failure("contract", message, error["remedy"], order.point.kept, order.hook.file)
    return Failure(error["code"], error["message"], error["remedy"], order.point.kept, error["file"], error["line"])


def refused(order: Order, error: ReplyError) -> Failure:
    """
    Return that the reply breaks the contract of its point.
    """
    message = "; ".join(f"reply {violation}" for violation in error.violations)
    return Failure("contract", message, "", order.point.kept, order.hook.file)


def _timeout(order: Order, calls: list[ToolCall]) -> Failure:
    where = "fixed by the connector" if order.point.is_fixed else f"[{order.point.table}] timeout_s"
    message = f"stopped at its limit of {order.timeout_s:g} s ({where})"
    remedy = "Look for a loop that never ends."
    slowest, seconds = _slowest(calls)
    if seconds >= order.timeout_s * SLOW_SHARE:
        message += f"; {seconds:.2f} s went into {slowest}"
        remedy = _slow_remedy(calls, slowest)
    return Failure("timeout", f"{message}.", remedy, order.point.kept, order.hook.file)


def _slowest(calls: list[ToolCall]) -> tuple[str, float]:
    """The name of the calls that took longest together, and their seconds."""
    seconds: dict[str, float] = defaultdict(float)
    for call in calls:
        seconds[call.name] += call.ms / 1000
    return max(seconds.items(), key=lambda item: item[1], default=("", 0.0))


def _slow_remedy(calls: list[ToolCall], slowest: str) -> str:
    tool = slowest.partition(".")[0]
    if tool in ("http", "bitrix"):
        return f"Give {tool} a timeout_s, and go on without the answer: try: … except Exception: …"
    return "Call it less often." if len(calls) > 1 else "Give the point a longer timeout_s."
