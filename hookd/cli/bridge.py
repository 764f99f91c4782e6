"""
`hookd bridge`: the way from the connector to hookd.
"""

import argparse
import grp
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hookd.bridge import config, files, switches, tokens
from hookd.bridge.files import Change, Standing
from hookd.bridge.switches import Switches
from hookd.cli import compare, session
from hookd.cli.arguments import add_format, add_site, point
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, moment, print_json, print_table
from hookd.documents import Json
from hookd.errors import StorageError, UsageError
from hookd.history import Entry, History
from hookd.points import POINTS, Point
from hookd.settings import DEFAULT_SITE, Settings, SiteSettings, load_site, site_directories

ACTIONS = Path("/opt/itgrix_bx/customizer/actions")

_STATES = {
    "bridge": "bridge",
    "outdated": "bridge of another version",
    "overwritten": "overwritten since",
    "gone": "gone since",
    "theirs": "another action",
    "example": "no code",
    "none": "-",
}
_TO_INSTALL = ("outdated", "overwritten", "gone")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_install(actions)
    status_parser = actions.add_parser("status", help="show how it stands with each point")
    _add_directory(status_parser)
    status_parser.add_argument("--connector", metavar="URL", help="the connector's admin panel, http://HOST:8077")
    status_parser.add_argument("--user", help="of the admin panel")
    status_parser.add_argument("--password-file", type=Path, metavar="FILE", help="with that user's password")
    _add_common(status_parser, status)
    remove_parser = actions.add_parser("remove", help="take the bridge away, and bring back what stood there")
    remove_parser.add_argument("points", nargs="*", type=point, metavar="POINT", help="without it all")
    _add_directory(remove_parser)
    add_format(remove_parser)
    remove_parser.set_defaults(command=remove)
    compare_parser = actions.add_parser("compare", help="run the old actions and the hooks on the same requests")
    _add_directory(compare_parser)
    compare.add_arguments(compare_parser)
    _add_common(compare_parser, compare.compare)


def _add_install(actions: Any) -> None:
    parser = actions.add_parser("install", help="put the bridge in the place of the actions")
    parser.add_argument("points", nargs="*", type=point, metavar="POINT", help="without it those that have a hook")
    _add_directory(parser)
    parser.add_argument("--url", type=_url, help="of hookd; without it where it listens on this machine")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="certificates that sign hookd's, for https://")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="with the token to show")
    parser.add_argument(
        "--fallback",
        choices=config.FALLBACKS,
        default=config.UNCHANGED,
        help="what the connector gets if hookd does not answer: its own values, or what the old action returns",
    )
    parser.add_argument("--group", type=_group, help="that may read the config; without it the directory's")
    _add_common(parser, install)


def _add_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, default=ACTIONS, help=f"the connector's actions; without it {ACTIONS}")


def _add_common(parser: argparse.ArgumentParser, command: Any) -> None:
    add_site(parser)
    add_format(parser)
    parser.set_defaults(command=command)


# ---- install and remove ----------------------------------------------------------------------------------------


def install(args: argparse.Namespace) -> int:
    """Put the bridge there, and say what was done."""
    settings = session.read_settings(args)
    hooks = session.hooks_directory(settings, args.site)
    points = args.points or _hooked(hooks)
    site = _site(settings, args.site)
    files.standings(args.dir)  # a directory that is not there is told before a token is made
    token, source = _token(args, site)
    told = config.Config(
        url=args.url or config.address(settings.bind),
        path="" if args.site == DEFAULT_SITE else f"/sites/{args.site}",
        token=token,
        ca=_ca(args.ca),
        fallback=args.fallback,
        limits_s=config.limits(site),
    )
    changes = files.install(args.dir, points, told, group=args.group)
    if args.format == "json":
        print_json({"files": _changes(changes), "url": f"{told.url}{told.path}", "token": source})
        return OK
    _print_changes(changes)
    print(f"hookd: {told.url}{told.path}; the token: {source}")
    print("Next: switch these on in the connector's settings, then `hookd bridge status`.")
    return OK


def remove(args: argparse.Namespace) -> int:
    """Take the bridge away, and say what was done."""
    token = config.token_in(args.dir)
    changes = files.remove(args.dir, args.points or None)
    if args.format == "json":
        print_json({"files": _changes(changes)})
        return OK
    _print_changes(changes)
    if not changes:
        print(f"{args.dir}: there is no bridge")
    if token and not config.token_in(args.dir):
        print("Its token is valid until you take it out of the site's tokens.")
    return OK


def _print_changes(changes: Iterable[Change]) -> None:
    for change in changes:
        print(f"{change.file}: {change.what}")


def _changes(changes: Iterable[Change]) -> list[Json]:
    return [{"file": str(one.file), "what": one.what, "is_changed": one.is_changed} for one in changes]


def _hooked(hooks: Path) -> list[Point]:
    found = [point for point in POINTS.values() if (hooks / f"{point.name}.py").is_file()]
    if not found:
        raise UsageError(f"{hooks}: no point has a hook; `hookd new POINT` writes one, or name the points here")
    return found


def _site(settings: Settings, name: str) -> SiteSettings:
    if name == DEFAULT_SITE:
        return settings.site
    return load_site(site_directories(settings.sites)[name], settings.site)


def _token(args: argparse.Namespace, site: SiteSettings) -> tuple[str, str]:
    if args.token_file:
        return tokens.read(args.token_file), f"from {args.token_file}"
    return tokens.choose(site, args.site, now=config.token_in(args.dir))


def _ca(file: Path | None) -> str:
    if file is None:
        return ""
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file; --ca names one with certificates in PEM")
    return str(file.absolute())


def _url(text: str) -> str:
    try:
        return config.check_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"there is no group {name!r} on this machine") from error


# ---- status ----------------------------------------------------------------------------------------------------


def status(args: argparse.Namespace) -> int:
    """Print for each point: is there a hook, what stands in its place, does the connector ask, when did it last."""
    settings = session.read_settings(args)
    hooks = session.hooks_directory(settings, args.site)
    found = files.standings(args.dir)
    hooked = {one.point for one in found if (hooks / f"{one.point}.py").is_file()}
    known = _switches(args)
    calls, silence = _last_calls(settings, args.site)
    is_installed = any(one.state == "bridge" for one in found)
    faults = config.faults(args.dir, _site(settings, args.site)) if is_installed else []
    faults += _faults(found, hooked, known)
    if args.format == "json":
        print_json(_status_document(found, hooked, known, calls) | {"journal": silence or None, "problems": faults})
        return YOURS_IS_WRONG if faults else OK
    zone = ZoneInfo(settings.site.time_zone)
    rows = [
        (
            *(one.file.name, _yes(one.point in hooked), _shown(one), _switch(one, known) or "-"),
            _call(calls.get(one.point), zone),
        )
        for one in found
    ]
    print_table([("action", "hook", "file", "switch", "last call"), *rows])
    if silence:
        print(f"last call: {silence}")
    if known.fault:
        print(f"switches: {known.fault}")
    for fault in faults:
        complain(fault)
    return YOURS_IS_WRONG if faults else OK


def _switches(args: argparse.Namespace) -> Switches:
    if not args.connector:
        return Switches("not asked; --connector http://HOST:8077 --user NAME --password-file FILE shows them")
    if not args.user or not args.password_file:
        raise UsageError("--connector needs --user and --password-file, those of the connector's admin panel")
    try:
        password = args.password_file.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{args.password_file}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    return switches.read(args.connector, args.user, password)


def _last_calls(settings: Settings, site: str) -> tuple[dict[str, Entry], str]:
    """Return the last run of each hook, and why none is known; "" where the journal could be read."""
    try:
        with History(settings) as history:
            return history.last(site), ""
    except (UsageError, StorageError) as error:
        return {}, str(error)


def _faults(found: Sequence[Standing], hooked: set[str], known: Switches) -> list[str]:
    faults = [f"{one.file}: {_STATES[one.state]}; `hookd bridge install`" for one in found if one.state in _TO_INSTALL]
    installed = [one for one in found if one.state == "bridge"]
    faults += [f"{one.file}: the site has no hook for it" for one in installed if one.point not in hooked]
    if installed and not known.fault and not known.is_enabled:
        return [*faults, "the connector uses no customizations: switch its customizer on"]
    off = [one for one in installed if _switch(one, known) == "off"]
    return faults + [f"{one.file}: switched off in the connector's settings" for one in off]


def _switch(one: Standing, known: Switches) -> str:
    """Return on or off; "" where nobody knows."""
    method = known.methods.get(one.file.stem)
    return "" if method is None else "on" if method and known.is_enabled else "off"


def _shown(one: Standing) -> str:
    return _STATES[one.state] + (", old action kept" if one.has_old else "")


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "-"


def _call(entry: Entry | None, zone: ZoneInfo) -> str:
    if entry is None:
        return "-"
    return f"{moment(entry.at, zone)} {entry.outcome} {entry.reason}".rstrip()


def _call_document(entry: Entry | None) -> Json:
    if entry is None:
        return None
    return {
        "run_id": entry.id,
        "at": entry.at.isoformat(),
        "outcome": entry.outcome,
        "reason": entry.reason or None,
    }


def _status_document(
    found: Sequence[Standing], hooked: set[str], known: Switches, calls: Mapping[str, Entry]
) -> dict[str, Json]:
    actions = [
        {
            "point": one.point,
            "file": str(one.file),
            "has_hook": one.point in hooked,
            "state": one.state,
            "has_old": one.has_old,
            "switch": _switch(one, known) or None,
            "last_call": _call_document(calls.get(one.point)),
        }
        for one in found
    ]
    return {"actions": actions, "switches": known.fault or None}
