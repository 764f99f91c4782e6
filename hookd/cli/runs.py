"""
`hookd runs`: the journal, listed, followed, shown, and made into tests.
"""

import argparse
import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hookd import cases, scaffold
from hookd.answers import blank
from hookd.cli import recorded
from hookd.cli.arguments import add_config, add_format, add_site, count, hook, in_zone, instant
from hookd.cli.output import OK, complain, moment, print_json, shown
from hookd.cli.recorded import Recorded
from hookd.cli.session import read_settings, site_directory, with_site
from hookd.differences import shown as value_shown
from hookd.documents import Json, dump
from hookd.history import Entry, History, Wanted
from hookd.hook_settings import settings_of
from hookd.runs import Run
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.sites import Site

LIMIT = 20
FOLLOW_S = 0.5
POINT_WIDTH = 29  # of the longest point


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_site(parser, default=None)
    parser.add_argument("--point", type=hook, metavar="HOOK", help="only runs of this point, jobs/NAME or events/NAME")
    parser.add_argument("--outcome", choices=cases.OUTCOMES, metavar="OUTCOME", help=", ".join(cases.OUTCOMES))
    parser.add_argument("--reason", choices=cases.REASONS, metavar="REASON", help=", ".join(cases.REASONS))
    parser.add_argument("--call", default="", metavar="LINKEDID", help="only runs of this call")
    parser.add_argument("--since", type=instant, metavar="TIME", help="30m, 12h, 7d, or a time in ISO 8601")
    parser.add_argument(
        "--limit", type=count(1_000_000), default=LIMIT, metavar="N", help=f"the last N; without it {LIMIT}"
    )
    parser.add_argument("--follow", action="store_true", help="go on with runs as they come, until Ctrl-C")
    add_format(parser)
    parser.set_defaults(command=runs)

    actions = parser.add_subparsers(metavar="show|save", required=False)
    shows = actions.add_parser("show", help="print all that is known of a run")
    shows.set_defaults(command=show)
    saves = actions.add_parser(
        "save", help="write a run's request, and what comes of it now, as a test", description="Overwrites nothing."
    )
    saves.add_argument("--as", dest="case", required=True, metavar="CASE", help="the test's name")
    saves.set_defaults(command=save)
    for action in (shows, saves):
        action.add_argument("run", metavar="ID", help="a run's id, or a beginning that no other has")
        add_config(action)
        add_format(action)


def runs(args: argparse.Namespace) -> int:
    """Print a line for each run that is wanted, the newest last."""
    settings = read_settings(args)
    zone = ZoneInfo(settings.site.time_zone)
    wanted = Wanted(
        site=args.site or "",
        point=args.point.name if args.point else "",
        outcome=args.outcome or "",
        reason=args.reason or "",
        call=args.call,
        since=args.since and in_zone(args.since, zone),
    )
    with History(settings) as history:
        if args.site and not history.latest(Wanted(site=args.site), 1):  # of a site that is gone, runs are left
            site_directory(settings, args.site)
        if args.follow:
            _follow(history, wanted, args, zone)
        entries = history.latest(wanted, args.limit)
        if args.format == "json":
            print_json([_document(entry) for entry in entries])
            return OK
        for entry in entries:
            print(_line(entry, zone))
        if not entries:
            complain(f"there is no such run; {history.extent()}")
    return OK


def show(args: argparse.Namespace) -> int:
    """Print a run as the journal keeps it."""
    found = recorded.find(args, args.run)
    if args.format == "json":
        print_json(found.document | {"changes": recorded.sides(found.changes, "from", "to")})
        return OK
    zone = ZoneInfo(read_settings(args).site.time_zone)
    for line in _shown(found, zone):
        print(line)
    for name in ("raw", "request", "reply"):
        if name in found.document["omitted"]:
            print(f"{name}: over 64 KB long, not kept")
        elif found.document[name] is not None:
            print(f"{name}:")
            print_json(found.document[name])
    return OK


def save(args: argparse.Namespace) -> int:
    """Write a run's request as a case that the hook passes as it is now."""
    found = recorded.find(args, args.run)
    ended, case, hooks = with_site(recorded.site_of(args, found), lambda service, site: _run(service, site, found))
    path = shown(scaffold.make_case(hooks, found.point, args.case, case))
    differing = found.differing(ended)
    command = f"hookd test {found.point.name}/{args.case}"
    if args.format == "json":
        print_json({"files": [path], "next": [command], "differences": recorded.sides(differing, "recorded", "now")})
        return OK
    for line in recorded.told(differing):
        complain(f"{line}; the test expects what is now")
    print(path, "Next:", f"  {command}", sep="\n")
    return OK


async def _run(service: Service, site: Site, found: Recorded) -> tuple[Run, Json, Any]:
    settings = dict(settings_of(site.hooks.snapshot, found.point.name))
    started = asyncio.get_running_loop().time()
    run = await service.runner.run(
        site, found.point, found.request, started=started, settings=settings, now=found.at, stand_in=blank
    )
    return run, cases.expecting(run, found.request, settings=settings, now=found.at), site.hooks.directory


def _follow(history: History, wanted: Wanted, args: argparse.Namespace, zone: ZoneInfo) -> None:
    """Print runs until interrupted: the last ones, then those that are written, in that order."""
    seen = history.last_number()
    entries = [entry for entry in history.latest(wanted, args.limit) if entry.number <= seen]
    while True:
        for entry in entries:
            print(dump(_document(entry)).decode() if args.format == "json" else _line(entry, zone), flush=True)
        time.sleep(FOLLOW_S)
        until = history.last_number()
        entries = history.written(wanted, seen, until)
        seen = until


def _line(entry: Entry, zone: ZoneInfo) -> str:
    where = entry.point if entry.site == DEFAULT_SITE else f"{entry.site}/{entry.point}"
    outcome = f"{entry.outcome} {entry.reason}".rstrip()
    cells = (
        moment(entry.at, zone),
        entry.id,
        where.ljust(POINT_WIDTH),
        outcome.ljust(18),
        f"{entry.ms:8.1f} ms",
        entry.linkedid or "-",
        entry.error,
    )
    return "  ".join(cells).rstrip()


def _document(entry: Entry) -> dict[str, Json]:
    found = asdict(entry) | {"at": entry.at.isoformat(), "reason": entry.reason or None, "error": entry.error or None}
    found["linkedid"] = entry.linkedid or None
    del found["number"]
    return found


def _shown(found: Recorded, zone: ZoneInfo) -> Iterator[str]:
    run = found.document
    began = datetime.fromisoformat(found.at).astimezone(zone)
    yield f"run: {found.id}, {moment(began, zone)}{began:.%f %z}, site {found.site}, {run['point']}"
    yield f"outcome: {run['outcome']}" + (f" ({run['reason']})" if run["reason"] else "")
    if run["error"]:
        yield f"error: {run['error']['text']}"
    for name in ("linkedid", "digest", "isolation"):
        if run[name]:
            yield f"{name}: {run[name]}"
    yield "times: " + ", ".join(f"{phase} {milliseconds:.2f} ms" for phase, milliseconds in run["times_ms"].items())
    yield f"phones: {run['phones']}"
    for warning in run["warnings"] or ():
        yield f"warning: {warning['path'] or '/'}: {warning['message']}"
    for change in found.changes:
        yield f"changed: {change.path}: {value_shown(change.expected)} → {value_shown(change.actual)}"
    for call in run["calls"] or ():
        yield f"call: {value_shown(call)}"
    if run["print"]:
        yield "print:"
        yield from (f"  {line}" for line in run["print"].splitlines())
