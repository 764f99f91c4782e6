"""
`hookd bridge compare`: the connector's old actions beside the new hooks.
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hookd import contract, samples
from hookd.bridge import compare as bridge
from hookd.bridge import files
from hookd.cli.arguments import count, point
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, print_json
from hookd.cli.recorded import Recorded
from hookd.cli.session import hooks_directory, read_settings, with_site
from hookd.differences import Difference, shown
from hookd.documents import Json
from hookd.errors import ContractError, UsageError
from hookd.history import History, Wanted
from hookd.points import POINTS, Point
from hookd.runs import Run
from hookd.service import Service
from hookd.sites import Site

LIMIT, LIMIT_MAX = 20, 10_000  # requests of the journal, a point
MASKED = "masked"


@dataclass(frozen=True, slots=True)
class _Asked:
    """
    What both are asked.

    Attributes:
        request: As the action has it in $params.
        sample: The sample's name; "" where it is none.
        run_id: The run of the journal; "" where it is of none.
        phones: How the journal has numbers, masked or plain; "" where it is of none.
    """

    point: Point
    request: Json
    sample: str = ""
    run_id: str = ""
    phones: str = ""

    @property
    def name(self) -> str:
        return self.sample or self.run_id


@dataclass(frozen=True, slots=True)
class _Compared:
    """One request, asked of both."""

    asked: _Asked
    old: bridge.Old
    run: Run
    differences: tuple[Difference, ...]

    @property
    def is_same(self) -> bool:
        return not self.old.fault and not self.differences and self.run.outcome != "fallback"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("point", nargs="?", type=point, metavar="POINT", help="without it all that have an old action")
    parser.add_argument(
        "--journal",
        nargs="?",
        type=count(LIMIT_MAX, "; POINT goes before it"),
        const=LIMIT,
        metavar="N",
        help=f"the last N requests of each point in the journal, instead of samples; without N {LIMIT}",
    )
    parser.add_argument("--php", default="php", metavar="COMMAND", help="the php that runs the actions")


def compare(args: argparse.Namespace) -> int:
    """Ask both, and print where they differ."""
    actions = _actions(args.dir, args.point)
    php = bridge.find_php(args.php)
    asked = _samples(actions) if args.journal is None else _recorded(args, actions)
    found = with_site(args, lambda service, site: _compare(service, site, php, actions, asked))
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


def _samples(points: Iterable[str]) -> list[_Asked]:
    return [
        _Asked(POINTS[name], samples.sample(POINTS[name], sample), sample=sample)
        for name in points
        for sample in samples.names(POINTS[name])
    ]


def _recorded(args: argparse.Namespace, points: Iterable[str]) -> list[_Asked]:
    """
    Return the last requests of *points* in the journal, as they came, without a `params` around them.

    Raises:
        UsageError: There is no journal, no such site, or no request.
    """
    settings = read_settings(args)
    hooks_directory(settings, args.site)
    with History(settings) as history:
        runs = {name: history.documents(Wanted(site=args.site, point=name), args.journal) for name in points}
        missing = ", ".join(name for name, found in runs.items() if not found)
        if not any(runs.values()):
            raise UsageError(f"site {args.site} was not asked for {missing}; {history.extent()}")
    if missing:
        complain(f"not in the journal: {missing}")
    asked = []
    for run in [Recorded(document) for found in runs.values() for document in found]:
        try:
            request = contract.read_request(run.point, run.request).raw
        except (ContractError, UsageError) as error:  # another hookd found it good; it was too long to be kept
            complain(f"left out: {error}")
        else:
            asked.append(_Asked(run.point, request, run_id=run.id, phones=str(run.document["phones"])))
    return asked


async def _compare(
    service: Service, site: Site, php: str, actions: dict[str, Path], asked: list[_Asked]
) -> list[_Compared]:
    return [await _compare_one(service, site, php, actions[one.point.name], one) for one in asked]


async def _compare_one(service: Service, site: Site, php: str, action: Path, asked: _Asked) -> _Compared:
    # The clock of a php cannot be put back, so that the hook's is not either: both see the time of now.
    old = await asyncio.to_thread(bridge.run_action, php, action, asked.request)
    started = asyncio.get_running_loop().time()
    run = await service.runner.run(site, asked.point, asked.request, started=started)
    differences = () if old.fault else tuple(bridge.compare(asked.point, old, run.reply))
    return _Compared(asked, old, run, differences)


def _print(found: list[_Compared]) -> None:
    for line, names in _grouped((one, f"the old action {one.old.fault}") for one in found if one.old.fault):
        complain(f"{line} {names}")
    for line in dict.fromkeys(str(one.run.error) for one in found if one.run.error):
        complain(line)
    changes = ((one, _change(difference)) for one in found for difference in one.differences)
    for line, names in _grouped(changes):
        print(f"{line} {names}")
    for line, names in _grouped((one, f"would call {call}") for one in found for call in _calls(one.run)):
        print(f"{line} {names}")
    without = dict.fromkeys(one.asked.point.name for one in found if one.run.reason == "no_hook")
    if without:
        print(f"no hook yet: {', '.join(without)}")
    if any(one.asked.phones == MASKED for one in found):
        print("numbers are the journal's pseudonyms: a list of known numbers finds none of them")
    same = sum(one.is_same for one in found)
    print(f"{same} of {len(found)} the same")


def _grouped(lines: Iterable[tuple[_Compared, str]]) -> Iterator[tuple[str, str]]:
    """Yield each line once, after its point, with the samples or runs that it was said of."""
    said: dict[str, list[str]] = {}
    for one, line in lines:
        said.setdefault(f"{one.asked.point.name}: {line}", []).append(one.asked.name)
    for line, names in said.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield line, f"({names[0]}{more})"


def _calls(run: Run) -> dict[str, None]:
    """The calls that were only told, each once: the hook got the least that such a call may answer."""
    return dict.fromkeys(call.name for call in run.calls if call.pretended is not None)


def _change(difference: Difference) -> str:
    return f"{difference.path or '/'}: {shown(difference.expected)} → {shown(difference.actual)}"


def _document(one: _Compared) -> Json:
    return {
        "point": one.asked.point.name,
        "sample": one.asked.sample or None,
        "run_id": one.asked.run_id or None,
        "phones": one.asked.phones or None,
        "is_same": one.is_same,
        "fault": one.old.fault or None,
        "outcome": one.run.outcome,
        "reason": one.run.reason or None,
        "error": str(one.run.error) if one.run.error else None,
        "differences": [str(difference) for difference in one.differences],
        "would_call": list(_calls(one.run)),
        "old": one.old.reply,
        "new": one.run.reply,
    }
