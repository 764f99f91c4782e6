"""
The arguments that several commands have.
"""

import argparse
from pathlib import Path

from hookd import documents, samples
from hookd.documents import Json
from hookd.errors import NotJsonError, SampleError, UsageError
from hookd.names import meant
from hookd.points import ALIASES, JOBS, POINTS, Point, point_of
from hookd.settings import DEFAULT_SITE


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add `--format`."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of what is printed")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="the hookd.toml to use")


def add_site(parser: argparse.ArgumentParser, *, default: str | None = DEFAULT_SITE) -> None:
    """Add `--config` and `--site`; no *default* means every site."""
    add_config(parser)
    parser.add_argument("--site", default=default, metavar="NAME", help=f"the site; without it {default or 'all'}")


def add_point(parser: argparse.ArgumentParser, *, is_optional: bool = False) -> None:
    """Add the positional argument that names a point."""
    parser.add_argument(
        "point", type=point, metavar="POINT", nargs="?" if is_optional else None, help="see `hookd points`"
    )


def add_hook(parser: argparse.ArgumentParser, *, is_optional: bool = False) -> None:
    """Add the positional argument that names a hook: a point, or a job."""
    parser.add_argument(
        "point",
        type=hook,
        metavar="HOOK",
        nargs="?" if is_optional else None,
        help=f"a point (see `hookd points`), or {JOBS}/NAME",
    )


def hook(name: str) -> Point:
    """
    Return what the hook *name* answers: a point, which may be called by an old name, or a job.

    Raises:
        argparse.ArgumentTypeError: No hook can be called so.
    """
    if not name.startswith(f"{JOBS}/"):
        return point(name)
    found = point_of(name)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{name!r}: a job's name is written in a-z, 0-9 and _, a letter first: {JOBS}/call_back"
        )
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


def assignment(text: str) -> tuple[str, Json]:
    """
    Return path and value of `a.b=value`; a value that is no JSON is a string, since nobody quotes on a command line.

    Raises:
        argparse.ArgumentTypeError: There is no `=`, or the value starts as JSON and is none.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: PATH=VALUE is expected, such as call_full.is_ivr=true")
    try:
        return path, documents.parse(value.encode())
    except NotJsonError as error:
        if value[:1] in ("{", "[", '"'):
            raise argparse.ArgumentTypeError(f"{path}: the value is no JSON: {error}") from error
        return path, value


def sample(point: Point, name: str) -> Json:
    """
    Return the request that `--sample` names.

    Raises:
        UsageError: There is none; lists those that there are.
    """
    try:
        return samples.sample(point, name)
    except SampleError as error:
        raise UsageError(str(error)) from error
