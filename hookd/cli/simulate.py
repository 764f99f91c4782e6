"""
`hookd simulate`: one call through all points, with the site's own hooks.
"""

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hookd import cases, contract, documents, simulator
from hookd.cli.arguments import add_changes, add_format, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, print_json
from hookd.cli.session import with_site
from hookd.differences import Difference, differences, shown
from hookd.documents import Json
from hookd.errors import ContractError, NotJsonError, SampleError, UsageError
from hookd.names import meant
from hookd.runs import Run
from hookd.runs import document as run_document
from hookd.samples import form
from hookd.service import Service
from hookd.simulator import State, Step
from hookd.sites import Site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("call", metavar="CALL", help=f"{', '.join(form.CALLS)}, or a JSON file that describes one")
    add_changes(
        parser,
        "--set",
        "change the call (client_number=89001112233) or a point's requests (POINT.PATH=VALUE); again and again",
    )
    add_site(parser)
    add_format(parser)
    parser.set_defaults(command=simulate)


def simulate(args: argparse.Namespace) -> int:
    """Play the call, and print each step and what the CRM would get."""
    call = _read(args)
    played = with_site(args, lambda service, site: _play(service, site, call))
    if args.format == "json":
        print_json(_document(call, played))
    else:
        _print(call, played)
    return OK if played.is_good else YOURS_IS_WRONG


@dataclass(frozen=True, slots=True)
class _Played:
    """A call that was played: its steps, with a run where something was asked, and the state at its end."""

    steps: tuple[tuple[Step, Run | None], ...]
    state: State

    @property
    def is_good(self) -> bool:
        return all(run is None or run.outcome != "fallback" for _, run in self.steps)


def _read(args: argparse.Namespace) -> form.Call:
    described: Json = {"like": args.call}
    if args.call not in form.CALLS:
        described = _parse(args.call)
    for path, value, _ in args.set:
        if isinstance(described, dict):
            described = form.assigned(described, path, value)
    return form.read(args.call, described)


def _parse(path: str) -> Json:
    try:
        return documents.parse(Path(path).read_bytes())
    except FileNotFoundError as error:
        known = ", ".join(form.CALLS)
        raise UsageError(
            f"there is no call and no file {path!r}{meant(path, form.CALLS)} Calls: {known}, or a JSON file"
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except NotJsonError as error:
        raise SampleError(str(cases.not_json(path, error))) from error


async def _play(service: Service, site: Site, call: form.Call) -> _Played:
    steps: list[tuple[Step, Run | None]] = []
    state = simulator.begin(call)
    while step := simulator.next_step(state):
        run = None if step.why_not else await _run(service, site, step)
        steps.append((step, run))
        state = simulator.after(state, step, run.reply if run else None)
    return _Played(tuple(steps), state)


async def _run(service: Service, site: Site, step: Step) -> Run:
    started = asyncio.get_running_loop().time()
    try:
        return await service.runner.run(site, step.point, step.request, started=started, now=step.now)
    except ContractError as error:
        where = f"{step.point.name} at {step.stage or 'the start'}"
        raise SampleError("\n".join(f"{where}: {violation}" for violation in error.violations)) from error


def _changes(step: Step, run: Run) -> list[Difference]:
    unchanged = contract.envelope(contract.unchanged(contract.read_request(step.point, step.request)))
    return list(differences(unchanged, run.reply))


# ---- for people ------------------------------------------------------------------------------------------------


def _print(call: form.Call, played: _Played) -> None:
    print(": ".join(filter(None, (call.name, call.summary))))
    heading = ""
    told: set[str] = set()
    for step, run in played.steps:
        if (now := _heading(step)) != heading:
            heading = now
            print(f"\n{heading}")
        print(f"  {step.point.name:<28}  {_outcome(step, run)}")
        for line in _lines(step, run) if run else ():
            print(f"    {line}")
        for line in filter(lambda line: line not in told, _problems(step, run) if run else ()):
            told.add(line)
            complain(line)
    print("\nThe CRM gets:" if played.state.crm else "\nThe CRM gets nothing.")
    for request in played.state.crm:
        print(f"  {request.method} {documents.dump(request.data).decode()}")
    for line in simulator.flips(played.state):
        complain(f"warning: {line}")


def _heading(step: Step) -> str:
    return " ".join(filter(None, (step.now[11:19], step.stage or "before the call", step.extension)))


def _outcome(step: Step, run: Run | None) -> str:
    if run is None:
        return f"not asked: {step.why_not}"
    reason = f" ({run.reason})" if run.reason else ""
    time = f"  {run.times_ms['total']:.2f} ms" if run.reason != "no_hook" else ""
    return f"{run.outcome}{reason}{time}"


def _lines(step: Step, run: Run) -> Iterator[str]:
    for change in _changes(step, run):
        yield f"{change.path}: {shown(change.expected)} → {shown(change.actual)}"
    yield from (f"print: {line}" for line in run.printed.splitlines())


def _problems(step: Step, run: Run) -> Iterator[str]:
    """Yield what is wrong, which is the same at each of the stages and told once."""
    yield from (f"warning: {step.point.name}: {warning}" for warning in run.warnings)
    if run.error:
        yield str(run.error)


# ---- for programs ----------------------------------------------------------------------------------------------


def _document(call: form.Call, played: _Played) -> Json:
    return {
        "call": call.name,
        "steps": [_step_document(step, run) for step, run in played.steps],
        "crm": [{"method": request.method, "data": request.data} for request in played.state.crm],
        "warnings": simulator.flips(played.state),
    }


def _step_document(step: Step, run: Run | None) -> Json:
    return {
        "point": step.point.name,
        "stage": step.stage or None,
        "extension": step.extension or None,
        "time": step.now,
        "why_not": step.why_not or None,
        "request": step.request,
        "changes": [str(change.path) for change in _changes(step, run)] if run else [],
        "run": run and run_document(run),
    }
