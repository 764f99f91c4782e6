"""
`hookd test`: the hooks' own tests.
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hookd import cases
from hookd.cases import Result
from hookd.cli import junit
from hookd.cli.arguments import add_format, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, located, print_json, problem_document, shown
from hookd.cli.session import with_site
from hookd.differences import MISSING, Difference
from hookd.documents import Json
from hookd.errors import Problem, UsageError
from hookd.names import meant
from hookd.runs import document as run_document
from hookd.service import Service
from hookd.sites import Site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="POINT, POINT/CASE or a case's file; without it all")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the results as JUnit XML too")
    add_site(parser)
    add_format(parser)
    parser.set_defaults(command=test)


def test(args: argparse.Namespace) -> int:
    """Run the cases one after another, and print each difference and the sum."""
    found = with_site(args, lambda service, site: _run(service, site, args.names))
    if args.junit:
        _write(args.junit, junit.document(found.results, found.problems))
    if args.format == "json":
        print_json(_document(found))
    else:
        _print(found)
    return OK if found.is_good else YOURS_IS_WRONG


@dataclass(frozen=True, slots=True)
class _Found:
    """
    What came of the tests.

    Attributes:
        problems: Files that are no cases; their names are as they are reached from here.
        untested: Points that have a hook and no case.
    """

    hooks: Path
    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    untested: tuple[str, ...]

    @property
    def failed(self) -> int:
        return sum(bool(result.differences) for result in self.results)

    @property
    def is_good(self) -> bool:
        return not self.problems and not self.failed


async def _run(service: Service, site: Site, names: list[str]) -> _Found:
    hooks, snapshot = site.hooks.directory, site.hooks.snapshot
    known, problems = cases.read(hooks / cases.FOLDER)
    files = _files([case.file for case in known] + [problem.file for problem in problems], names, hooks)
    clock = asyncio.get_running_loop().time
    results = [await cases.run(service.runner, site, case, started=clock()) for case in known if case.file in files]
    told = tuple(located(problem, hooks) for problem in problems if problem.file in files)
    tested = {_names(file)[0] for file in files}
    untested = () if names else tuple(name for name in (*snapshot.hooks, *snapshot.broken) if name not in tested)
    return _Found(hooks, tuple(results), told, untested)


def _files(files: list[str], names: list[str], hooks: Path) -> set[str]:
    """Return those of *files*, relative to *hooks*, that *names* choose."""
    if not names:
        return set(files)
    called = {file: {*_names(file), os.path.realpath(hooks / file)} for file in files}
    unknown = [name for name in names if not any({name, os.path.realpath(name)} & known for known in called.values())]
    if unknown:
        known = sorted({name for file in files for name in _names(file)})
        raise UsageError(
            "\n".join(
                f"there is no case {name!r}{meant(name, known)} There are: {', '.join(known) or 'none'}"
                for name in unknown
            )
        )
    return {file for file, known in called.items() if any({name, os.path.realpath(name)} & known for name in names)}


def _names(file: str) -> tuple[str, str]:
    """ "tests/point/case.json" → point, point/case; "tests/jobs/name/case.json" → jobs/name, jobs/name/case."""
    path = Path(file).relative_to(cases.FOLDER)
    return str(path.parent), str(path.with_suffix(""))


def _print(found: _Found) -> None:
    for result in found.results:
        for line in _lines(result):
            complain(f"{shown(found.hooks / result.case.file)}: {line}")
    for problem in found.problems:
        complain(problem)
    if found.untested:
        print(f"no cases: {', '.join(found.untested)}")
    errors = f", {len(found.problems)} not read" if found.problems else ""
    print(f"{len(found.results) - found.failed} passed, {found.failed} failed{errors}")


def _lines(result: Result) -> Iterator[str]:
    if not result.differences:
        return
    yield from map(str, result.differences)
    if result.run.error and result.run.outcome != result.case.expected.get("outcome"):
        yield str(result.run.error)
    yield from (f"print: {line}" for line in result.run.printed.splitlines())


def _document(found: _Found) -> Json:
    return {
        "passed": len(found.results) - found.failed,
        "failed": found.failed,
        "cases": [_case(result, found.hooks) for result in found.results],
        "problems": [problem_document(problem) for problem in found.problems],
        "untested": list(found.untested),
    }


def _case(result: Result, hooks: Path) -> Json:
    case, run = result.case, result.run
    return {
        "point": case.point.name,
        "case": case.name,
        "file": shown(hooks / case.file),
        "is_passed": not result.differences,
        "differences": [_difference(difference) for difference in result.differences],
        "run": run_document(run),
    }


def _difference(difference: Difference) -> Json:
    """A value that is missing has no key."""
    sides = {"expected": difference.expected, "actual": difference.actual}
    return {"path": difference.path, **{side: value for side, value in sides.items() if value is not MISSING}}


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
