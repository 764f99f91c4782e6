"""
`hookd run`: one run of one hook, on a sample or on a request of one's own.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from hookd import cases, contract, documents, samples
from hookd.answers import act
from hookd.cli import posted, recorded
from hookd.cli.arguments import add_changes, add_format, add_hook, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, print_json
from hookd.cli.samples import sample
from hookd.cli.session import with_site
from hookd.differences import differences, shown
from hookd.documents import Json
from hookd.errors import ContractError, NotJsonError, SampleError, UsageError
from hookd.hook_settings import settings_of
from hookd.jobs import example
from hookd.points import POINTS
from hookd.portal import forms
from hookd.portal.samples import of_event
from hookd.runs import Run, document
from hookd.service import Service
from hookd.sites import Site
from hookd.tools import ToolCall

STDIN = "-"

Change = Callable[[Json, Mapping[str, Json]], Json]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_hook(parser, is_optional=True)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--sample", metavar="NAME", help="see `hookd samples POINT`; without it the first of them")
    source.add_argument("--input", metavar="FILE", help=f"a body, a payload or an event; {STDIN} is standard input")
    source.add_argument(
        "--from",
        dest="recorded",
        metavar="ID",
        help="the request of a run in the journal, at its time; what differs from its reply is shown",
    )
    add_changes(
        parser,
        "--set",
        "change the request: call_full.channel.type=outgoing; again and again. A VALUE is JSON, or else text; of what "
        "a portal posts (data and fields of events; options, raw and form of placements) numbers are text, as portals "
        "send them",
    )
    add_changes(parser, "--settings", "change the hook's settings for this run")
    parser.add_argument("--now", metavar="TIME", type=_time, help="ISO time at which the hook's clock stands still")
    parser.add_argument(
        "--live", action="store_true", help="let tools act: without it, http and changes by store are only told"
    )
    add_site(parser)
    add_format(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Run the hook, and print the run."""
    if args.recorded:
        return _replay(args)
    if args.point is None:
        raise UsageError(f"name a point, or a recorded run with --from. Points: {', '.join(POINTS)}")
    name, body = _read(args)
    try:
        request = contract.read_request(args.point, body)
    except ContractError as error:
        raise SampleError("\n".join(f"{name}: {violation}" for violation in error.violations)) from error
    ended = with_site(args, lambda service, site: _run(service, site, args, body))
    if args.format == "json":
        print_json(document(ended))
    else:
        _print(ended, contract.envelope(contract.unchanged(request)))
    return YOURS_IS_WRONG if ended.outcome == "fallback" else OK


def _replay(args: argparse.Namespace) -> int:
    """Run the hook as it is now on a recorded request, and print what is otherwise."""
    found = recorded.find(args, args.recorded)
    if args.point not in (None, found.point):
        raise UsageError(f"run {found.id} is of {found.point.name}, not of {args.point.name}")
    args.point, args.now = found.point, args.now or found.at
    body = _changed(cases.changed, found.request, _set(args))
    place = recorded.site_of(args, found)
    ended = with_site(place, lambda service, site: _run(service, site, args, body))
    differing = found.differing(ended)
    if args.format == "json":
        print_json(
            document(ended) | {"recorded": found.document, "differences": recorded.sides(differing, "recorded", "now")}
        )
    else:
        _print(ended, contract.envelope(contract.unchanged(contract.read_request(args.point, body))))
        for line in recorded.told(differing):
            print(f"differs: {line}")
        if not differing:
            print(f"as recorded: outcome, reason and reply are those of run {found.id}")
    return YOURS_IS_WRONG if ended.outcome == "fallback" else OK


async def _run(service: Service, site: Site, args: argparse.Namespace, body: Json) -> Run:
    settings = _changed(
        samples.laid_over,
        dict(settings_of(site.hooks.snapshot, args.point.name)),
        {each.path: each.value for each in args.settings},
    )
    started = asyncio.get_running_loop().time()
    stand_in = act if args.live else None
    return await service.runner.run(
        site, args.point, body, started=started, settings=settings, now=args.now, stand_in=stand_in
    )


def _print(run: Run, unchanged: Json) -> None:
    for warning in run.warnings:
        complain(f"warning: {warning}")
    if run.error:
        complain(run.error)
    print(f"outcome: {run.outcome}" + (f" ({run.reason})" if run.reason else ""))
    if run.reason == "no_hook":
        print(f"there is no hook: `hookd new {run.point}` writes one")
    for change in differences(unchanged, run.reply):
        print(f"changed: {change.path}: {shown(change.expected)} → {shown(change.actual)}")
    if run.printed:
        print("print:", *(f"  {line}" for line in run.printed.splitlines()), sep="\n")
    for call in run.calls:
        print(_call_line(call))
    if any(call.pretended is not None for call in run.calls):
        print('nothing was called: --live does, and a test has the answers under "tools"')
    print("times:", ", ".join(f"{phase} {milliseconds:.2f} ms" for phase, milliseconds in run.times_ms.items()))
    print("reply:")
    print_json(run.reply)


def _call_line(call: ToolCall) -> str:
    if call.pretended is not None:
        given = {name: value for name, value in call.pretended.items() if value is not None}
        return f"would call {call.tool}.{call.method} {shown(given)}"
    return f"called {call.name}: {call.ms:.2f} ms" + (f", {call.error}" if call.error else "")


def _read(args: argparse.Namespace) -> tuple[str, Json]:
    """Return what the request is called in messages, and its body."""
    if args.point.is_job:
        return _read_job(args)
    if args.point.is_event and args.input is not None:
        return _read_event(args)
    if args.input is None:
        name = args.sample or cases.sample_names(args.point)[0]
        return f"sample {name}", _changed(cases.changed, sample(args.point, name), _set(args))
    name = "standard input" if args.input == STDIN else args.input
    return name, _changed(cases.changed, _parse(name, args.input), _set(args))


def _read_job(args: argparse.Namespace) -> tuple[str, Json]:
    if args.sample:
        raise UsageError("there are no samples of jobs; name a file with the payload: --input FILE")
    name = "standard input" if args.input == STDIN else args.input or "no payload"
    payload = _parse(name, args.input) if args.input else {}
    return name, _changed(samples.laid_over, example(args.point.entry, payload), _set(args))


def _read_event(args: argparse.Namespace) -> tuple[str, Json]:
    """An event as a hook gets it, or as a portal posts it: the form itself, or the same as JSON."""
    name = "standard input" if args.input == STDIN else args.input
    data = _bytes(name, args.input)
    is_json = data.lstrip()[:1] in (b"{", b"")
    given = _json(name, data) if is_json else forms.parse(data.strip())
    return name, _changed(samples.laid_over, of_event(given), _set(args))


def _parse(name: str, path: str) -> Json:
    return _json(name, _bytes(name, path))


def _bytes(name: str, path: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from error


def _json(name: str, data: bytes) -> Json:
    try:
        return documents.parse(data)
    except NotJsonError as error:
        raise SampleError(str(cases.not_json(name, error))) from error


def _set(args: argparse.Namespace) -> dict[str, Json]:
    return posted.changes(args.point, args.set)


def _changed(change: Change, body: Json, changes: Mapping[str, Json]) -> Json:
    try:
        return change(body, changes)
    except SampleError as error:
        raise UsageError(str(error)) from error


def _time(text: str) -> str:
    if not cases.is_time(text):
        raise argparse.ArgumentTypeError(f'{text!r}: a time such as "2026-03-02T10:00:00+03:00" is expected')
    return text
