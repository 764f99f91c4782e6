"""
`hookd jobs`: what was promised, how it stands, and what to do about it.
"""

import argparse
import re
import time

from hookd.cli.arguments import add_config, add_format
from hookd.cli.inbox import Noun, add_actions, open_inbox
from hookd.cli.output import OK, print_json
from hookd.cli.session import read_settings
from hookd.jobs import DEAD, DONE, JOB, PARKED, WAITING

PURGED = (DEAD, DONE, PARKED, WAITING)  # a job that runs is none of them
_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NOUN = Noun(JOB, "a", "name", ("name",), lambda job: (job.name,))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = add_actions(parser, _NOUN, "|purge")
    purges = actions.add_parser("purge", help="forget jobs; their keys are free again")
    purges.add_argument("--state", choices=PURGED, default=DEAD, help=f"of the jobs; without it {DEAD}")
    purges.add_argument(
        "--older-than", type=_age_s, default="7d", metavar="AGE", help="since their end: 30m, 12h, 7d; without it 7d"
    )
    purges.set_defaults(command=purge)
    add_config(purges)
    add_format(purges)


def purge(args: argparse.Namespace) -> int:
    """Forget the jobs that are so, and say how many."""
    jobs = open_inbox(read_settings(args))
    number = jobs.purge([args.state], time.time() - args.older_than) if jobs else 0
    if args.format == "json":
        print_json({"purged": number})
    else:
        print(f"{number} forgotten")
    return OK


def _age_s(text: str) -> float:
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: an age such as 30m, 12h or 7d is expected")
    return int(match[1]) * _UNIT_S[match[2]]
