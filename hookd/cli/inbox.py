"""
What `hookd jobs` and `hookd events` have in common: rows of the inbox, listed, shown, and tried again.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hookd.cli.arguments import add_config, add_format, add_site, count, in_zone, instant
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, moment, print_json, print_table
from hookd.cli.session import read_settings, site_directory
from hookd.consumer import lock
from hookd.documents import Json
from hookd.errors import UsageError
from hookd.jobs import DEAD, DONE, PARKED, STATES, WAITING, Job, Jobs, Old
from hookd.names import counted
from hookd.settings import Settings

LIMIT = 20
PURGED = (DEAD, DONE, PARKED, WAITING)  # what runs is none of them
ERROR_CHARACTERS = 60  # in a line of the list


@dataclass(frozen=True, slots=True)
class Noun:
    """
    What the rows of one command are.

    Attributes:
        kind: In the inbox.
        article: Before the kind.
        name: What `--name` is.
        columns: Heads of the list's own columns, after id and site.
        cells: Of a row, what stands in them.
    """

    kind: str
    article: str
    name: str
    columns: tuple[str, ...]
    cells: Callable[[Job], tuple[str, ...]]


def add_actions(parser: argparse.ArgumentParser, noun: Noun) -> None:
    """
    Add list, show, retry and purge to *parser*.
    """
    actions = parser.add_subparsers(metavar="list|show|retry|purge", required=True)
    lists = actions.add_parser("list", help=f"print a line for each {noun.kind}, the newest last")
    add_site(lists, default=None)
    lists.add_argument("--state", choices=STATES, help=f"only {noun.kind}s in this state")
    lists.add_argument("--name", metavar="NAME", help=f"only {noun.kind}s of this {noun.name}")
    lists.add_argument(
        "--limit", type=count(100_000), default=LIMIT, metavar="N", help=f"the last N; without it {LIMIT}"
    )
    lists.set_defaults(command=list_)
    shows = actions.add_parser("show", help=f"print all that is known of {noun.article} {noun.kind}")
    shows.add_argument("id", metavar="ID", help=f"as `hookd {noun.kind}s list` tells it")
    shows.set_defaults(command=show)
    retries = actions.add_parser("retry", help=f"have {noun.kind}s run now, with all their attempts before them")
    retries.add_argument("ids", metavar="ID", nargs="+", help="one that waits, is dead or is parked")
    retries.set_defaults(command=retry)
    purges = actions.add_parser("purge", help=f"forget {noun.kind}s, and their keys; asks first at a terminal")
    add_site(purges, default=None)
    purges.add_argument("--state", choices=PURGED, default=DEAD, help=f"of the {noun.kind}s; without it {DEAD}")
    purges.add_argument(
        *("--before", "--older-than"),
        type=instant,
        default="7d",
        metavar="TIME",
        help="when they ended, or were taken on: 30m, 12h, 7d ago, or a time in ISO 8601; without it 7d",
    )
    purges.add_argument("--yes", action="store_true", help="do not ask")
    purges.set_defaults(command=purge)
    for action in (shows, retries):
        add_config(action)
    for action in (lists, shows, retries, purges):
        add_format(action)
        action.set_defaults(noun=noun)


def list_(args: argparse.Namespace) -> int:
    """Print a line for each row that is wanted, and say so where nobody does the work."""
    settings, noun = read_settings(args), args.noun
    inbox = open_inbox(settings)
    wanted = {"site": args.site, "state": args.state, "name": args.name, "most": args.limit, "kind": noun.kind}
    found = inbox.all(**wanted) if inbox else []
    if args.site and not found:  # of a site that is gone, what is left is listed
        site_directory(settings, args.site)
    if args.format == "json":
        print_json([_document(job) for job in reversed(found)])
        return OK
    zone = ZoneInfo(settings.site.time_zone)
    if found:
        head = ("id", "site", *noun.columns, "state", "attempt", "due or ended", "error")
        print_table([head, *_rows(found, noun, zone)])
    else:
        complain(f"there is no such {noun.kind}")
    _warn_of_nobody(settings, inbox, noun)
    return OK


def show(args: argparse.Namespace) -> int:
    """Print a row as it stands."""
    noun = args.noun
    job = _find(open_inbox(read_settings(args)), noun, args.id)
    if job is None:
        raise UsageError(f"there is no {noun.kind} {args.id!r}; `hookd {noun.kind}s list` tells those that there are")
    print_json(_document(job))
    return OK


def retry(args: argparse.Namespace) -> int:
    """Have rows run again; those that cannot are named."""
    noun, inbox = args.noun, open_inbox(read_settings(args))
    again = [id_ for id_ in args.ids if inbox and _find(inbox, noun, id_) and inbox.retry(id_)]
    refused = [id_ for id_ in args.ids if id_ not in again]
    for id_ in refused:
        complain(f"{id_}: no {noun.kind} that waits, is dead or is parked")
    if args.format == "json":
        print_json({"retried": again, "refused": refused})
    else:
        print(f"{len(again)} will run now")
    return YOURS_IS_WRONG if refused else OK


def purge(args: argparse.Namespace) -> int:
    """Forget the rows that are so, and say how many; whoever is at a terminal sees them first, and is asked."""
    settings, noun = read_settings(args), args.noun
    inbox = open_inbox(settings)
    before = in_zone(args.before, ZoneInfo(settings.site.time_zone)).timestamp()
    old = Old(noun.kind, args.state, before, args.site)
    number = inbox.purge(old) if inbox and (args.yes or _agreed(inbox.counted(old), old)) else 0
    if args.format == "json":
        print_json({"purged": number})
    else:
        print(f"{number} forgotten")
    return OK


def _agreed(counts: Mapping[str, int], old: Old) -> bool:
    """Ask whoever is at the terminal whether so many rows of each site shall be forgotten; nobody is there: yes."""
    if not counts or not sys.stdin.isatty():
        return True
    for site, number in counts.items():
        complain(f"{site}: {number} {old.state} {old.kind}s")
    print("Forget them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def open_inbox(settings: Settings) -> Jobs | None:
    """Return the inbox; None where nothing was ever promised."""
    jobs = Jobs(settings.state)
    return jobs if jobs.path.exists() else None


def _find(inbox: Jobs | None, noun: Noun, id_: str) -> Job | None:
    job = inbox.find(id_) if inbox else None
    return job if job and job.kind == noun.kind else None


def _warn_of_nobody(settings: Settings, inbox: Jobs | None, noun: Noun) -> None:
    waiting = inbox.counts(kind=noun.kind)[WAITING] if inbox else 0
    if waiting and not lock.is_held(settings.state):
        wait = f"{counted(waiting, noun.kind)} {'waits' if waiting == 1 else 'wait'}"
        complain(f"warning: {wait} and no consumer runs: start `hookd serve`, or `hookd consume`")


def _rows(found: list[Job], noun: Noun, zone: ZoneInfo) -> Iterator[tuple[str, ...]]:
    for job in reversed(found):
        at = moment(datetime.fromtimestamp(job.ended_at or job.due_at, UTC), zone)
        error = job.error if len(job.error) <= ERROR_CHARACTERS else f"{job.error[:ERROR_CHARACTERS]}…"
        state = f"{job.state} ({job.reason})" if job.reason else job.state
        yield job.id, job.site, *noun.cells(job), state, str(job.attempt), at, error


def _document(job: Job) -> dict[str, Json]:
    found = asdict(job)
    for name in ("first", "lane"):
        del found[name]
    for name in ("enqueued_at", "due_at", "ended_at"):
        found[name] = found[name] and datetime.fromtimestamp(found[name], UTC).isoformat(timespec="milliseconds")
    return found
