"""
What a benchmark found: a text for people and a document for machines.
"""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.table import Figures
from benchmarks.wrk import Load, Round


@dataclass(frozen=True, slots=True)
class Report:
    """
    One benchmark.

    Attributes:
        time: When it started, UTC.
        machine: What it ran on, fact by fact.
        request_bytes: Size of the request's body.
        seconds: Length of a round.
        round_count: Rounds of each peer under each load.
        peers: What was measured: name, and version with set-up.
        skipped: What was not, and how to get it: name, and a word.
        failed: What did not start or answered wrong: name, and why.
        rounds: The rounds of each peer under each load, in the order of the measurement.
    """

    time: datetime
    machine: Mapping[str, str]
    request_bytes: int
    seconds: int
    round_count: int
    peers: Mapping[str, str]
    skipped: Mapping[str, str]
    failed: Mapping[str, str]
    rounds: Mapping[Load, Mapping[str, list[Round]]]

    def results(self) -> dict[Load, dict[str, Figures]]:
        """Return the medians over the rounds."""
        return {
            load: {name: table.figures(rounds) for name, rounds in peers.items()} for load, peers in self.rounds.items()
        }

    def has_errors(self) -> bool:
        """Return whether a peer failed, or had errors under load."""
        figures = (figures for peers in self.results().values() for figures in peers.values())
        return bool(self.failed) or any(each.errors for each in figures)


def machine() -> dict[str, str]:
    """Return the facts about this machine that figures depend on."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "cpu": _cpu(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": f"{os.getloadavg()[0]:.2f}",
    }


def text(report: Report, ours: str) -> str:
    """Return the report for people; the ratios are those of the peer *ours*."""
    facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in report.machine.items())
    lines = [
        f"{report.time:%Y-%m-%d %H:%M} UTC: {facts}",
        f"POST of {report.request_bytes} bytes, medians of {report.round_count} × {report.seconds} s; "
        "every reply is compared with the hook's",
        "",
        *(f"  {name}: {summary}" for name, summary in report.peers.items()),
        *(f"  {name} skipped: {remedy}" for name, remedy in report.skipped.items()),
        *(f"  {name} failed: {reason}" for name, reason in report.failed.items()),
        "",
        table.render(report.results(), ours),
    ]
    return "\n".join(lines)


def document(report: Report, ours: str) -> dict[str, Any]:
    """Return the report as a JSON document, with every round."""
    return {
        "time": report.time.isoformat(timespec="seconds"),
        "machine": dict(report.machine),
        "request_bytes": report.request_bytes,
        "seconds": report.seconds,
        "round_count": report.round_count,
        "peers": dict(report.peers),
        "skipped": dict(report.skipped),
        "failed": dict(report.failed),
        "ratios_of": ours,
        "results": [
            {
                "peer": name,
                "is_keep_alive": load.is_keep_alive,
                "connections": load.connections,
                **asdict(figures),
                "ratios": asdict(table.ratios(peers[ours], figures)) if ours in peers else None,
                "rounds": [asdict(each) for each in report.rounds[load][name]],
            }
            for load, peers in report.results().items()
            for name, figures in peers.items()
        ],
    }


def _cpu() -> str:
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    return model[1] if model else platform.machine()
