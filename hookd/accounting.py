"""
The accounting: a line in the log and the figures of each run that has ended.
"""

import asyncio
from typing import Any

import structlog

from hookd import logs, metrics
from hookd.logs import mask
from hookd.runs import Run
from hookd.tools import ToolCall

ACCOUNT_S = 0.005  # from the end of a run until its log line: a batch under load, which holds up nobody for long

log = structlog.get_logger("hookd.run")


class Accounting:
    """
    The runs of one process that have ended and are not yet accounted for; it belongs to the event loop.
    """

    def __init__(self) -> None:
        self._ended: list[Run] = []

    def add(self, run: Run) -> None:
        """
        Log and count *run* in a moment, together with others.

        Whoever waits for a reply waits for neither, and a batch costs a fraction of as many single ones: the code for
        it is in the processor's caches only once.
        """
        if not self._ended:
            asyncio.get_running_loop().call_later(ACCOUNT_S, self.settle)
        self._ended.append(run)

    def settle(self) -> None:
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
