"""
The arguments that several commands have.
"""

import argparse
import re
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from hookd import documents
from hookd.documents import Json
from hookd.errors import NotJsonError
from hookd.names import meant
from hookd.points import ALIASES, EVENTS, JOBS, KINDS, PLACEMENTS, POINTS, Point, point_of
from hookd.portal import codes
from hookd.settings import DEFAULT_SITE

_EXAMPLES = {
    JOBS: ("a job's", f"{JOBS}/call_back"),
    EVENTS: ("an event's", f"{EVENTS}/oncrmleadadd"),
    PLACEMENTS: ("a placement's", f"{PLACEMENTS}/call_card"),
}
_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Assignment(NamedTuple):
    """A `PATH=VALUE` of the command line: its value, and that as it was written."""

    path: str
    value: Json
    text: str


def add_format(parser: argparse._ActionsContainer) -> None:
    """Add `--format`."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the hookd.toml to use")


def add_site(parser: argparse.ArgumentParser, *, default: str | None = DEFAULT_SITE) -> None:
    """Add `--config` and `--site`; no *default* means every site."""
    add_config(parser)
    parser.add_argument("--site", default=default, metavar="NAME", help=f"the site; without it {default or 'all'}")


def add_changes(parser: argparse.ArgumentParser, flag: str, text: str) -> None:
    """Add *flag*, `--set` or one like it, whose help is *text*."""
    parser.add_argument(flag, action="append", default=[], type=assignment, metavar="PATH=VALUE", help=text)


def add_hook(parser: argparse.ArgumentParser, *, is_optional: bool = False) -> None:
    """Add the positional argument that names a hook: a point, a job, events, or a page."""
    parser.add_argument(
        "point",
        type=hook,
        metavar="HOOK",
        nargs="?" if is_optional else None,
        help=f"a point (see `hookd points`), {JOBS}/NAME, {EVENTS}/NAME or {PLACEMENTS}/NAME",
    )


def hook(name: str) -> Point:
    """
    Return what the hook *name* answers: a point, which may be called by an old name, a job, events or a page, which
    may be called by a code as portals write it.

    Raises:
        argparse.ArgumentTypeError: No hook can be called so.
    """
    folder = name.partition("/")[0]
    if "/" not in name or folder not in KINDS:
        return point(name)
    own = codes.hook_name(name.partition("/")[2]) if folder != JOBS else ""
    found = point_of(name) or (point_of(f"{folder}/{own}") if own not in ("", codes.OTHER) else None)
    if found is None:
        whose, such = _EXAMPLES[folder]
        raise argparse.ArgumentTypeError(f"{name!r}: {whose} name is written in a-z, 0-9 and _, a letter first: {such}")
    return found


def point(name: str) -> Point:
    """
    Return the point *name*, which may be an old name of it.

    Raises:
        argparse.ArgumentTypeError: There is none; names the nearest, and all.
    """
    found = POINTS.get(ALIASES.get(name, name))
    if found is None:
        near = meant(name, POINTS)
        raise argparse.ArgumentTypeError(f"there is no point {name!r}{near} Points: {', '.join(POINTS)}")
    return found


def count(most: int, hint: str = "") -> Callable[[str], int]:
    """Return what reads a number from 1 to *most*; *hint* goes to whoever wrote something else."""

    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to {most} is expected{hint}")
        return int(text)

    return read


def instant(text: str) -> datetime:
    """
    Return the time that 30m, 12h or 7d ago was, or that is written in ISO 8601: without a zone, see `in_zone`.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now().astimezone() - timedelta(**{_UNITS[ago.group(2)]: int(ago.group(1))})
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f'{text!r}: 30m, 12h, 7d or a time such as "2026-03-02T10:00" is expected'
        ) from None


def in_zone(time: datetime, zone: tzinfo) -> datetime:
    """Return *time*, which is one of *zone* where it does not say of which."""
    return time if time.tzinfo else time.replace(tzinfo=zone)


def assignment(text: str) -> Assignment:
    """
    Return path and value of `a.b=value`; a value that is no JSON is a string, since nobody quotes on a command line.

    Raises:
        argparse.ArgumentTypeError: There is no `=`, or the value starts as JSON and is none.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: PATH=VALUE is expected, such as call_full.is_ivr=true")
    try:
        return Assignment(path, documents.parse(value.encode()), value)
    except NotJsonError as error:
        if value[:1] in ("{", "[", '"'):
            raise argparse.ArgumentTypeError(f"{path}: the value is no JSON: {error}") from error
        return Assignment(path, value, value)
