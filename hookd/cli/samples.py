"""
`hookd samples`: realistic requests, to look at and to post.
"""

import argparse

from hookd import cases
from hookd import samples as store
from hookd.cli.arguments import add_format, add_hook
from hookd.cli.output import OK, print_json, print_table
from hookd.documents import Json
from hookd.errors import SampleError, UsageError
from hookd.points import Point
from hookd.portal import openings
from hookd.portal import samples as events


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "List the calls that there are samples of, those of a HOOK, or print one: "
        "`hookd samples process_client_phone incoming | curl -d @- http://127.0.0.1:8080/process_client_phone`"
    )
    add_hook(parser, is_optional=True)
    parser.add_argument("name", nargs="?", metavar="NAME", help="a sample: SCENARIO, SCENARIO@STAGE, or a code")
    add_format(parser)
    parser.set_defaults(command=samples)


def samples(args: argparse.Namespace) -> int:
    """Print the request that is named, or the names with a line each."""
    if args.point and args.point.is_job:
        raise UsageError("there are no samples of jobs: what a job gets, its hook's caller decides")
    if args.name:
        print_json(sample(args.point, args.name))
        return OK
    names = cases.sample_names(args.point) if args.point else store.SCENARIOS
    kind = args.point.kind if args.point else "point"
    describe = {"event": events.describe, "placement": openings.describe}.get(kind, store.describe)
    described = {name: describe(name) for name in names}
    if args.format == "json":
        print_json([{"name": name, "summary": summary} for name, summary in described.items()])
    else:
        print_table(described.items())
    return OK


def sample(point: Point, name: str) -> Json:
    """
    Return the request that `--sample` names.

    Raises:
        UsageError: There is none; lists those that there are.
    """
    try:
        return cases.sample(point, name)
    except SampleError as error:
        raise UsageError(str(error)) from error
