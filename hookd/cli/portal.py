"""
`hookd portal`: the portals that installed the app, and what is bound in them. Unlike other commands these act.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from hookd.cli.arguments import add_format, add_site
from hookd.cli.output import OK, YOURS_IS_WRONG, complain, moment, print_json, print_table
from hookd.cli.session import hooks_directory, read_settings
from hookd.documents import Json
from hookd.errors import PortalError, UsageError
from hookd.hook_settings import titles
from hookd.jobs import Jobs
from hookd.names import meant
from hookd.points import EVENTS, PLACEMENTS, names_in
from hookd.portal.binding import BIND_S, ELSEWHERE, FAILED, KEPT, Binding, Wish
from hookd.portal.patience import Deadline
from hookd.portal.portals import Portal
from hookd.portal.renewal import Installed
from hookd.portal.side import PortalSide
from hookd.settings import DEFAULT_SITE, Settings, SiteSettings, load_site

TEST_S = 20.0

Act = Callable[[PortalSide, Installed, Wish], list[Binding]]


@dataclass(frozen=True, slots=True)
class _Place:
    """A site, as far as its portals need it."""

    name: str
    hooks: Path
    settings: Settings
    own: SiteSettings

    def wish(self, url: str) -> Wish:
        base = url.rstrip("/") + ("" if self.name == DEFAULT_SITE else f"/sites/{self.name}")
        found = names_in(self.hooks, EVENTS), names_in(self.hooks, PLACEMENTS)
        return Wish(base, tuple(found[0]), tuple(found[1]), titles(self.hooks))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(metavar="list|bind|unbind|test|forget", required=True)
    lists = actions.add_parser("list", help="print a line for each portal that installed the site's app")
    binds = actions.add_parser("bind", help="bind what there are hook files for, and unbind what there are none for")
    unbinds = actions.add_parser("unbind", help="unbind all that is bound to hookd's address")
    tests = actions.add_parser("test", help="call the portal, and show what is bound there")
    forgets = actions.add_parser("forget", help="forget a portal that removed the app, and did not say so")
    forgets.add_argument("portal", metavar="PORTAL", help="host or id")
    for action in (binds, unbinds, tests):
        action.add_argument("portal", nargs="?", metavar="PORTAL", help="host or id; without it all of the site")
        action.add_argument("--url", metavar="URL", help="hookd's address for portals, instead of public_url")
    for action, command in ((lists, list_), (binds, bind), (unbinds, unbind), (tests, test), (forgets, forget)):
        add_site(action)
        add_format(action)
        action.set_defaults(command=command)


def list_(args: argparse.Namespace) -> int:
    """Print a line for each portal."""
    place = _place(args)
    with _side(place.settings) as side:
        found = side.portals.all(place.name) if side else []
    if args.format == "json":
        print_json([_document(portal) for portal in found])
    elif not found:
        complain(f"site {place.name}: no portal has installed the app. {_first_step(place)}")
    else:
        zone = ZoneInfo(place.own.time_zone)
        heading = ("portal", "id", "status", "scopes", "user", "installed", "trouble")
        print_table([heading, *(_row(portal, zone) for portal in found)])
    return OK


def bind(args: argparse.Namespace) -> int:
    """Bind in the portals what there are hook files for."""
    return _act(args, lambda side, who, wish: side.binder.bind(who, wish, Deadline(BIND_S)))


def unbind(args: argparse.Namespace) -> int:
    """Unbind in the portals all that is hookd's."""
    return _act(args, lambda side, who, wish: side.binder.unbind(who, wish, Deadline(BIND_S)))


def test(args: argparse.Namespace) -> int:
    """Call the portals with their tokens, and show what is bound in them."""

    def look(side: PortalSide, who: Installed, wish: Wish) -> list[Binding]:
        try:
            side.rest.call(who, "app.info", {}, Deadline(TEST_S))
            return side.binder.look(who, wish, Deadline(TEST_S))
        except PortalError as error:
            return [Binding("", "", FAILED, str(error))]

    return _act(args, look, needs_url=False)


def forget(args: argparse.Namespace) -> int:
    """Forget the portal's tokens and what it proves itself by, without asking it."""
    place = _place(args)
    with _side(place.settings) as side:
        chosen = _chosen(side.portals.all(place.name) if side else [], args.portal, place.name)
        if side:
            for portal in chosen:
                side.portals.uninstall(place.name, portal.member_id)
    if args.format == "json":
        print_json([_document(portal) for portal in chosen])
    else:
        for portal in chosen:
            print(f"{portal.host}: forgotten; to come back it installs the app anew")
    return OK


def _act(args: argparse.Namespace, act: Act, *, needs_url: bool = True) -> int:
    place = _place(args)
    wish = place.wish(_url(args, place.settings) if needs_url else args.url or place.settings.public_url)
    with _side(place.settings) as side:
        portals = side.portals.all(place.name) if side else []
        chosen = _chosen(portals, args.portal, place.name)
        made = {portal: act(side, side.installed(portal, place.own), wish) for portal in chosen} if side else {}
    if args.format == "json":
        print_json([{"portal": one.host, "bindings": [asdict(row) for row in rows]} for one, rows in made.items()])
    else:
        for portal, rows in made.items():
            _print(portal, rows, is_known=bool(wish.base))
    return YOURS_IS_WRONG if any(row.state == FAILED for rows in made.values() for row in rows) else OK


def _print(portal: Portal, rows: list[Binding], *, is_known: bool) -> None:
    """Print *rows*; whether hookd's own address *is_known* says whether what is bound elsewhere is a problem."""
    fine = [
        (portal.host, row.state if is_known else KEPT, row.kind, row.code, row.why)
        for row in rows
        if row.state != FAILED
    ]
    if fine:
        print_table(fine)
    elif not rows:
        print(f"{portal.host}: answers; nothing is bound there")
    for row in rows:
        if row.state == FAILED:
            complain(f"{portal.host}: {row.code or 'the portal'}: {row.why} {row.remedy()}".rstrip())
    for base in dict.fromkeys(_base(row.why) for row in rows if row.state == ELSEWHERE and is_known):
        complain(f"{portal.host}: has handlers at {base}. If that is no more: hookd portal unbind --url {base}")


def _base(handler: str) -> str:
    """The address in --url that *handler* was bound with."""
    return handler.partition("/bitrix24/")[0].partition("/sites/")[0]


def _first_step(place: _Place) -> str:
    """What to do for the first portal to come."""
    if not place.own.bitrix_app_id:
        return "bitrix_app_id and bitrix_app_secret_file are not set: make an app in the portal, and put them in."
    base = place.wish(place.settings.public_url or "https://YOUR.HOST").base
    return (
        f"Put {base}/bitrix24/placement and {base}/bitrix24/install (for the first installation) on the app's page in "
        "the portal, and open the app there as an administrator."
    )


def _chosen(portals: list[Portal], wanted: str | None, site: str) -> list[Portal]:
    found = [portal for portal in portals if wanted in (None, portal.host, portal.member_id)]
    if not found:
        hosts = [portal.host for portal in portals]
        what = f"there is no portal {wanted!r}{meant(wanted, hosts)}" if wanted else "no portal has installed the app."
        raise UsageError(f"site {site}: {what} Portals: {', '.join(hosts) or 'none'}.")
    return found


def _url(args: argparse.Namespace, settings: Settings) -> str:
    url: str = args.url or settings.public_url
    if not url.startswith(("https://", "http://")):
        raise UsageError("where portals reach hookd is not set: public_url in hookd.toml, or --url https://YOUR.HOST")
    return url


def _place(args: argparse.Namespace) -> _Place:
    settings = read_settings(args)
    hooks = hooks_directory(settings, args.site)
    own = settings.site if args.site == DEFAULT_SITE else load_site(hooks.parent, settings.site)
    return _Place(args.site, hooks, settings, own)


@contextlib.contextmanager
def _side(settings: Settings) -> Iterator[PortalSide | None]:
    """The portals' side of the state directory; None where nothing was ever kept, and nothing is made then."""
    if not settings.state.is_dir():
        yield None
        return
    jobs = Jobs(settings.state)
    side = PortalSide(settings.state, jobs)
    try:
        yield side
    finally:
        side.close()
        jobs.close()


def _row(portal: Portal, zone: ZoneInfo) -> tuple[str, ...]:
    installed = moment(datetime.fromtimestamp(portal.installed_at, UTC), zone)
    user = "" if portal.user_id is None else str(portal.user_id)
    return portal.host, portal.member_id, portal.status, ",".join(portal.scopes), user, installed, portal.trouble


def _document(portal: Portal) -> Json:
    return asdict(portal) | {"host": portal.host}
