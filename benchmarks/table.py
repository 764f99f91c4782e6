"""
The sums over the rounds: medians, ratios, and the table that people read.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.wrk import Load, Round

NONE = "–"


@dataclass(frozen=True, slots=True)
class Figures:
    """
    What a peer did under one load: the medians of its rounds, each figure for itself, and the sum of its errors.

    The slowest and the fastest round's requests a second tell how quiet the machine was.
    """

    requests_per_s: float
    slowest_per_s: float
    fastest_per_s: float
    p50_ms: float
    p99_ms: float
    errors: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ratios:
    """
    One peer's figures over another's: of requests_per_s more than 1 is better, of the latencies less than 1.

    A ratio is None where the divisor is 0.
    """

    requests_per_s: float | None
    p50_ms: float | None
    p99_ms: float | None


def figures(rounds: Sequence[Round]) -> Figures:
    """Return the medians of one round or more."""
    rates = [each.requests_per_s for each in rounds]
    return Figures(
        requests_per_s=median(rates),
        slowest_per_s=min(rates),
        fastest_per_s=max(rates),
        p50_ms=median(each.p50_ms for each in rounds),
        p99_ms=median(each.p99_ms for each in rounds),
        errors=dict(sum((Counter(each.errors) for each in rounds), Counter())),
    )


def ratios(ours: Figures, theirs: Figures) -> Ratios:
    """Return ours over theirs."""
    return Ratios(
        _over(ours.requests_per_s, theirs.requests_per_s),
        _over(ours.p50_ms, theirs.p50_ms),
        _over(ours.p99_ms, theirs.p99_ms),
    )


def render(results: Mapping[Load, Mapping[str, Figures]], ours: str) -> str:
    """
    Return one block a load: a line for each peer with its figures, the ratios of *ours* to it, and its errors.

    Args:
        results: The figures of each peer under each load.
        ours: The peer whose ratios are wanted; without it the ratios stay empty.
    """
    return "\n\n".join(f"{load}\n{_block(peers, ours)}" for load, peers in results.items())


def _block(peers: Mapping[str, Figures], ours: str) -> str:
    head = ("peer", "req/s", "min–max", "p50 ms", "p99 ms", f"{ours}/peer: req/s", "p50", "p99", "errors")
    lines = [head, *(_line(name, peers, ours) for name in peers)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _line(name: str, peers: Mapping[str, Figures], ours: str) -> tuple[str, ...]:
    figures = peers[name]
    measured = (
        f"{figures.requests_per_s:.0f}",
        f"{figures.slowest_per_s:.0f}–{figures.fastest_per_s:.0f}",
        f"{figures.p50_ms:.2f}",
        f"{figures.p99_ms:.2f}",
    )
    errors = ", ".join(f"{count} {kind}" for kind, count in figures.errors.items())
    mark = f"! {errors}" if errors else "none"
    if name == ours or ours not in peers:
        return (name, *measured, NONE, NONE, NONE, mark)
    over = ratios(peers[ours], figures)
    return (name, *measured, _times(over.requests_per_s), _times(over.p50_ms), _times(over.p99_ms), mark)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers, last = line
    columns = [text.rjust(width) for text, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join((f"  {first.ljust(widths[0])}", *columns, last))


def _over(ours: float, theirs: float) -> float | None:
    return ours / theirs if theirs else None


def _times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f}×"
