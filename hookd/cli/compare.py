"""
`hookd bridge compare`: the connector's old actions beside the new hooks.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hookd import samples
from hookd.bridge import compare as bridge
from hookd.bridge import files
from hookd.cli.arguments import point
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, print_json
from hookd.cli.session import with_site
from hookd.differences import Difference, shown
from hookd.documents import Json
from hookd.errors import UsageError
from hookd.points import POINTS, Point
from hookd.runs import Run
from hookd.service import Service
from hookd.sites import Site


@dataclass(frozen=True, slots=True)
class _Compared:
    """One request, asked of both."""

    point: Point
    sample: str
    old: bridge.Old
    run: Run
    differences: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        return not self.old.fault and not self.differences and self.run.outcome != "fallback"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("point", nargs="?", type=point, metavar="POINT", help="without it all that have an old action")
    parser.add_argument("--php", default="php", metavar="COMMAND", help="the php that runs the actions")


def compare(args: argparse.Namespace) -> int:
    """Ask both, and print where they differ."""
    actions = _actions(args.dir, args.point)
    php = bridge.find_php(args.php)
    found = with_site(args, lambda service, site: _compare(service, site, php, actions))
    if args.format == "json":
        print_json([_document(one) for one in found])
    else:
        _print(found)
    return OK if all(one.is_same for one in found) else YOURS_IS_WRONG


def _actions(directory: Path, wanted: Point | None) -> dict[str, Path]:
    found = files.old_actions(directory)
    if wanted is None and not found:
        raise UsageError(f"{directory}: there is no action but the bridge, and none that it has replaced")
    if wanted is None:
        return found
    if wanted.name not in found:
        there = ", ".join(found) or "none"
        raise UsageError(f"{directory}: there is no old action for {wanted.name}. Old actions: {there}")
    return {wanted.name: found[wanted.name]}


async def _compare(service: Service, site: Site, php: str, actions: dict[str, Path]) -> list[_Compared]:
    return [
        await _compare_one(service, site, php, action, POINTS[name], sample)
        for name, action in actions.items()
        for sample in samples.names(POINTS[name])
    ]


async def _compare_one(service: Service, site: Site, php: str, action: Path, point: Point, sample: str) -> _Compared:
    request = samples.sample(point, sample)
    old = await asyncio.to_thread(bridge.run_action, php, action, request)
    run = await service.runner.run(site, point, request, started=asyncio.get_running_loop().time())
    differences = () if old.fault else tuple(bridge.compare(point, old, run.reply))
    return _Compared(point, sample, old, run, differences)


def _print(found: list[_Compared]) -> None:
    for line, samples_ in _grouped((one, f"the old action {one.old.fault}") for one in found if one.old.fault):
        complain(f"{line} {samples_}")
    for line in dict.fromkeys(str(one.run.error) for one in found if one.run.error):
        complain(line)
    changes = ((one, _change(difference)) for one in found for difference in one.differences)
    for line, samples_ in _grouped(changes):
        print(f"{line} {samples_}")
    without = dict.fromkeys(one.point.name for one in found if one.run.reason == "no_hook")
    if without:
        print(f"no hook yet: {', '.join(without)}")
    same = sum(one.is_same for one in found)
    print(f"{same} of {len(found)} the same")


def _grouped(lines: Iterable[tuple[_Compared, str]]) -> Iterator[tuple[str, str]]:
    """Yield each line once, after its point, with the samples that it was said of."""
    said: dict[str, list[str]] = {}
    for one, line in lines:
        said.setdefault(f"{one.point.name}: {line}", []).append(one.sample)
    for line, names in said.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield line, f"({names[0]}{more})"


def _change(difference: Difference) -> str:
    return f"{difference.path or '/'}: {shown(difference.expected)} → {shown(difference.actual)}"


def _document(one: _Compared) -> Json:
    return {
        "point": one.point.name,
        "sample": one.sample,
        "is_same": one.is_same,
        "fault": one.old.fault or None,
        "outcome": one.run.outcome,
        "reason": one.run.reason or None,
        "error": str(one.run.error) if one.run.error else None,
        "differences": [str(difference) for difference in one.differences],
        "old": one.old.reply,
        "new": one.run.reply,
    }
