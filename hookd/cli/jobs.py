"""
`hookd jobs`: what was promised, how it stands, and what to do about it.
"""

import argparse
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hookd.cli.arguments import add_config, add_format, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, print_json, print_table
from hookd.cli.session import read_settings
from hookd.consumer import lock
from hookd.documents import Json
from hookd.errors import UsageError
from hookd.jobs import DEAD, DONE, PARKED, STATES, WAITING, Job, Jobs
from hookd.settings import Settings

LIMIT = 20
PURGED = (DEAD, DONE, PARKED, WAITING)  # a job that runs is none of them
ERROR_CHARACTERS = 60  # in a line of the list
_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("jobs", help="list the jobs, show one, try it again, or forget old ones")
    actions = parser.add_subparsers(metavar="list|show|retry|purge", required=True)
    lists = actions.add_parser("list", help="print a line for each job, the newest last")
    add_site(lists, default=None)
    lists.add_argument("--state", choices=STATES, help="only jobs in this state")
    lists.add_argument("--name", metavar="NAME", help="only jobs of this name")
    lists.add_argument("--limit", type=_limit, default=LIMIT, metavar="N", help=f"the last N; without it {LIMIT}")
    lists.set_defaults(command=list_)
    shows = actions.add_parser("show", help="print all that is known of a job")
    shows.add_argument("id", metavar="ID", help="as `hookd jobs list` and jobs.enqueue tell it")
    shows.set_defaults(command=show)
    retries = actions.add_parser("retry", help="have jobs run now, with all their attempts before them")
    retries.add_argument("ids", metavar="ID", nargs="+", help="a job that waits, is dead or is parked")
    retries.set_defaults(command=retry)
    purges = actions.add_parser("purge", help="forget jobs; their keys are free again")
    purges.add_argument("--state", choices=PURGED, default=DEAD, help=f"of the jobs; without it {DEAD}")
    purges.add_argument(
        "--older-than", type=_age_s, default="7d", metavar="AGE", help="since their end: 30m, 12h, 7d; without it 7d"
    )
    purges.set_defaults(command=purge)
    for action in (shows, retries, purges):
        add_config(action)
    for action in (lists, shows, retries, purges):
        add_format(action)


def list_(args: argparse.Namespace) -> int:
    """Print a line for each job that is wanted, and say so where nobody does them."""
    settings = read_settings(args)
    jobs = _open(settings)
    found = jobs.all(site=args.site, state=args.state, name=args.name, most=args.limit) if jobs else []
    if args.format == "json":
        print_json([_document(job) for job in reversed(found)])
        return OK
    zone = ZoneInfo(settings.site.time_zone)
    if found:
        print_table([("id", "site", "name", "state", "attempt", "due or ended", "error"), *_rows(found, zone)])
    else:
        complain("there is no such job")
    _warn_of_nobody(settings, jobs)
    return OK


def show(args: argparse.Namespace) -> int:
    """Print a job as it stands."""
    settings = read_settings(args)
    jobs = _open(settings)
    job = jobs.find(args.id) if jobs else None
    if job is None:
        raise UsageError(f"there is no job {args.id!r}; `hookd jobs list` tells those that there are")
    print_json(_document(job))
    return OK


def retry(args: argparse.Namespace) -> int:
    """Have jobs run again; those that cannot are named."""
    jobs = _open(read_settings(args))
    again = [id_ for id_ in args.ids if jobs and jobs.retry(id_)]
    refused = [id_ for id_ in args.ids if id_ not in again]
    for id_ in refused:
        complain(f"{id_}: no job that waits, is dead or is parked")
    if args.format == "json":
        print_json({"retried": again, "refused": refused})
    else:
        print(f"{len(again)} will run now")
    return YOURS_IS_WRONG if refused else OK


def purge(args: argparse.Namespace) -> int:
    """Forget the jobs that are so, and say how many."""
    jobs = _open(read_settings(args))
    number = jobs.purge([args.state], time.time() - args.older_than) if jobs else 0
    if args.format == "json":
        print_json({"purged": number})
    else:
        print(f"{number} forgotten")
    return OK


def _open(settings: Settings) -> Jobs | None:
    """The inbox; None where nothing was ever promised."""
    jobs = Jobs(settings.state)
    return jobs if jobs.path.exists() else None


def _warn_of_nobody(settings: Settings, jobs: Jobs | None) -> None:
    waiting = jobs.counts()[WAITING] if jobs else 0
    if waiting and not lock.is_held(settings.state):
        complain(f"warning: {waiting} jobs wait and no consumer runs: start `hookd serve`, or `hookd consume`")


def _rows(found: list[Job], zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for job in reversed(found):
        at = datetime.fromtimestamp(job.ended_at or job.due_at, zone).isoformat(" ", "seconds")
        error = job.error if len(job.error) <= ERROR_CHARACTERS else f"{job.error[:ERROR_CHARACTERS]}…"
        yield job.id, job.site, job.name, job.state, str(job.attempt), at, error


def _document(job: Job) -> dict[str, Json]:
    found = asdict(job)
    del found["first"]
    for name in ("enqueued_at", "due_at", "ended_at"):
        found[name] = found[name] and datetime.fromtimestamp(found[name], UTC).isoformat(timespec="milliseconds")
    return found


def _limit(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to 100000 is expected")
    return int(text)


def _age_s(text: str) -> float:
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: an age such as 30m, 12h or 7d is expected")
    return int(match[1]) * _UNIT_S[match[2]]
