"""
`hookd check`: everything that is wrong in the hooks, before a call finds it.
"""

import argparse
from pathlib import Path

from hookd.cli import session
from hookd.cli.arguments import add_format, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, located, print_json, problem_document, shown
from hookd.documents import Json
from hookd.errors import Problem, SettingsError
from hookd.names import counted
from hookd.review import Review, review, select
from hookd.service import Service

Told = tuple[str, Problem]  # of a site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="hooks, lib files, cases or directories")
    add_site(parser, default=None)
    add_format(parser)
    parser.set_defaults(command=check)


def check(args: argparse.Namespace) -> int:
    """Print every problem and warning in the hooks of all sites, or in the files that are named."""
    settings = session.read_settings(args)
    if args.site:
        session.hooks_directory(settings, args.site)
    reviews, faults = session.run(settings, lambda service: _look(service, args.site), only=args.site)
    if args.paths:
        reviews, faults = select(reviews, args.paths), []
    problems = [*faults, *_told(reviews, is_warning=False)]
    warnings = _told(reviews, is_warning=True)
    if args.format == "json":
        found = {"problems": list(map(_document, problems)), "warnings": list(map(_document, warnings))}
        print_json({"hooks": _hooks(reviews), **found})
    else:
        for _, line in (*problems, *((site, f"warning: {warning}") for site, warning in warnings)):
            complain(line)
        hooks = sum(len(one.hooks) + len(one.broken) for one in reviews)
        print(f"{counted(hooks, 'hook')}: {counted(len(problems), 'problem')}, {counted(len(warnings), 'warning')}")
    return YOURS_IS_WRONG if problems else OK


async def _look(service: Service, only: str | None) -> tuple[list[Review], list[Told]]:
    """Return the reviews of the sites with hooks, and the faults in the settings of those that do not serve."""
    sites = [site for site in service.sites.all() if only in (None, site.name)]
    unusable = {name: fault for name, fault in service.sites.unusable.items() if only in (None, name)}
    faults = [(name, _fault(line)) for name, fault in unusable.items() for line in fault.splitlines()]
    reviews = [review(site) for site in sites if site.hooks.directory.is_dir()]
    if not reviews and not faults:
        raise SettingsError(f"{sites[0].hooks.directory}: there is no such directory; hooks are looked for there")
    return reviews, faults


def _fault(line: str) -> Problem:
    file, _, message = line.partition(": ")
    return Problem(shown(Path(file)), 0, message)


def _told(reviews: list[Review], *, is_warning: bool) -> list[Told]:
    return [
        (one.site.name, located(finding.problem, one.site.hooks.directory))
        for one in reviews
        for finding in one.findings
        if finding.is_warning == is_warning
    ]


def _document(told: Told) -> dict[str, Json]:
    return {"site": told[0], **problem_document(told[1])}


def _hooks(reviews: list[Review]) -> list[Json]:
    return [
        {
            "site": one.site.name,
            "point": hook.name,
            "file": shown(one.site.hooks.directory / hook.file),
            "digest": hook.digest,
        }
        for one in reviews
        for hook in one.hooks
    ]
