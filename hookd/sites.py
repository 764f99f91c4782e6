"""
Sites: one directory a customer, each with its hooks, settings, tokens and zone; nothing crosses a site.

The default site is the directory of `hookd.toml`; the others are the directories below `sites/`. All of them are looked
at twice a second: a new one serves within a second, one that was taken away is gone, a changed `site.toml` counts, and
a broken one leaves the last good settings in force, and says so.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any
from zoneinfo import TZPATH

import structlog

from hookd import contract
from hookd.errors import SettingsError
from hookd.hook_files import HookFiles
from hookd.metrics import BROKEN
from hookd.names import meant
from hookd.points import PLACEMENTS, POINTS, Point, point_of, table_of
from hookd.settings import (
    DEFAULT_SITE,
    SITE_NAME,
    PointSettings,
    Settings,
    SiteSettings,
    load,
    load_site,
    site_directories,
)
from hookd.sources import Stamps, look
from hookd.tools import Ground

POLL_S = 0.5

# The stamps of a site's settings files and of its hooks.
Seen = tuple[tuple[int, ...], Stamps]
SiteCheck = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]

log = structlog.get_logger("hookd.sites")


@dataclass(slots=True, eq=False)
class Site:
    """
    One customer.

    Attributes:
        directory: Where its `site.toml`, `hooks/` and `secrets/` are.
        message: What its workers are told of it; another object whenever the settings change.
        stamp: Tells versions of its settings files apart.
    """

    name: str
    directory: Path
    settings: SiteSettings
    hooks: HookFiles
    message: dict[str, Any] = field(default_factory=dict)
    stamp: tuple[int, ...] | None = None  # not that of now: settings may have been read before a fork, long ago

    def __post_init__(self) -> None:
        self.message = site_message(self.settings)

    @property
    def ground(self) -> Ground:
        """What its tools stand on."""
        return Ground(self.name, self.directory, self.hooks.directory, self.settings)


class Sites:
    """
    All sites of an installation, by name.

    Args:
        check: Has a worker of the named site compile a hook.
        on_removed: Called with the name of a site that is gone.
        only: The one site whose hooks are loaded; None is all.
        keeps: Whether accepted sources are kept in the state directory.
    """

    def __init__(
        self,
        settings: Settings,
        check: SiteCheck,
        *,
        on_removed: Callable[[str], None] = lambda site: None,
        only: str | None = None,
        keeps: bool = True,
    ) -> None:
        self._settings = settings
        self._check = check
        self._on_removed = on_removed
        self._only = only
        self._state = settings.state if keeps else None
        self._sites: dict[str, Site] = {}
        self._unusable: dict[str, str] = {}
        self._seen: dict[str, Seen] = {}
        self._unseen: dict[str, str] = {}  # sites that cannot be looked at, and why
        self._updates: dict[str, asyncio.Task[None]] = {}

    def get(self, name: str) -> Site | None:
        """Return the site *name*, if there is one."""
        return self._sites.get(name)

    def all(self) -> list[Site]:
        """Return every site, the default one first."""
        return list(self._sites.values())

    @property
    def unusable(self) -> dict[str, str]:
        """Sites whose settings are wrong now, and what is wrong; some of them serve with the last good ones."""
        return dict(self._unusable)

    async def start(self, patience_s: float | None = None) -> None:
        """
        Load the default site and the others.

        Args:
            patience_s: Go on after this many seconds, though hooks are still being checked; None waits for all.

        Raises:
            SettingsError: The default site's settings are wrong; other sites only log it.
        """
        default = self._settings
        check_points(default.site, str(default.source or "defaults"))
        self._add(DEFAULT_SITE, default.base, default.site, default.hooks)
        await self._look()
        if self._updates:
            await asyncio.wait(self._updates.values(), timeout=patience_s)

    async def follow(self) -> None:
        """
        Keep up with the files until cancelled.
        """
        try:
            while True:
                await asyncio.sleep(POLL_S)
                try:
                    await self._look()
                except Exception:
                    log.exception("sites_unreadable")  # the sites stay as they are; the next look may succeed
        finally:
            for update in self._updates.values():
                update.cancel()

    async def _look(self) -> None:
        """
        Look at every directory once, and start an update of each site in which something changed.

        Each site has its own task: what is slow or broken in one delays no other.
        """
        found, seen = await asyncio.to_thread(self._see)
        for name in [name for name in self._sites if name not in found]:
            self._remove(name)
        for name in [name for name in self._unusable if name not in found]:
            del self._unusable[name]
        for name, directory in found.items():
            now = seen[name]
            if now is not None and name not in self._updates and now != self._seen.get(name):
                self._updates[name] = asyncio.create_task(self._update(name, directory, now))

    def _see(self) -> tuple[dict[str, Path], dict[str, Seen | None]]:
        """What is there now; in a thread, in one go: with hundreds of sites, it is the hops that would cost."""
        found = {DEFAULT_SITE: self._settings.base, **site_directories(self._settings.sites)}
        seen: dict[str, Seen | None] = {}
        unseen: dict[str, str] = {}
        for name, directory in found.items():
            site = self._sites.get(name)
            files = site.settings.files if site else (directory / SITE_NAME,)
            try:
                seen[name] = (_stamp(files), look(site.hooks.directory if site else directory / "hooks"))
            except OSError as error:
                unseen[name] = str(error)
                seen[name] = self._seen.get(name)
        self._note_unseen(unseen)
        return found, seen

    def _note_unseen(self, unseen: dict[str, str]) -> None:
        for name, error in unseen.items():
            if self._unseen.get(name) != error:
                log.error("site_unreadable", site=name, error=error, keeps="it stays as it is")
        self._unseen = unseen

    async def _update(self, name: str, directory: Path, seen: Seen) -> None:
        try:
            await self._refresh_settings(name, directory)
            site = self._sites.get(name)
            if site and self._only in (None, name):
                await site.hooks.refresh()
            if name not in self._unusable:
                self._seen[name] = seen
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("site_update_failed", site=name)  # the next look tries again; the site stays as it is
        finally:
            self._updates.pop(name, None)

    def _remove(self, name: str) -> None:
        del self._sites[name]
        self._seen.pop(name, None)
        BROKEN.labels(name).set(0)
        if name in self._updates:
            self._updates[name].cancel()
        self._on_removed(name)
        log.info("site_removed", site=name)

    async def _refresh_settings(self, name: str, directory: Path) -> None:
        site = self._sites.get(name)
        files = site.settings.files if site else (directory / SITE_NAME,)
        stamp = _stamp(files)
        if site and stamp == site.stamp:
            return
        try:
            settings = await asyncio.to_thread(self._load, name, directory)
            check_points(settings, str(settings.files[0] if settings.files else "defaults"))
        except SettingsError as error:
            self._note_unusable(name, str(error), site)
            return  # tried again at the next look: the file that is missing may be none of those that were seen
        if stamp != _stamp(files):
            return  # it was being written while it was read
        self._unusable.pop(name, None)
        if site is None:
            site = self._add(name, directory, settings, directory / "hooks")
            if not settings.tokens and not self._settings.is_loopback:
                log.warning("site_without_tokens", site=name, remedy=f"set tokens in {directory / SITE_NAME}")
        elif settings != site.settings:
            site.settings, site.message = settings, site_message(settings)
            log.info("site_settings_loaded", site=name)
        site.stamp = _stamp(settings.files)

    def _load(self, name: str, directory: Path) -> SiteSettings:
        if name == DEFAULT_SITE:
            return load(self._settings.source, self._settings.base).site
        common = self._settings.site
        return load_site(directory, common)

    def _note_unusable(self, name: str, fault: str, site: Site | None) -> None:
        if self._unusable.get(name) != fault:
            keeps = "the settings before this edit stay in force" if site else "the site does not serve"
            log.error("site_settings_broken", site=name, problems=fault.splitlines(), keeps=keeps)
        self._unusable[name] = fault

    def _add(self, name: str, directory: Path, settings: SiteSettings, hooks: Path) -> Site:
        async def check(message: dict[str, Any]) -> dict[str, Any]:
            return await self._check(name, message)

        site = Site(name, directory, settings, HookFiles(name, hooks, self._state, check))
        self._sites[name] = site
        log.info("site_added", site=name, directory=str(directory))
        return site


def check_points(settings: SiteSettings, where: str) -> None:
    """
    Check the `[points.…]` tables against the points themselves.

    Raises:
        SettingsError: One line for every fault: an unknown point, a limit where it is fixed, an on_error that is no
            valid reply.
    """
    faults = []
    for name, chosen in settings.points.items():
        point = point_of(name)
        key = f"{where}: [{point.table if point else f'points.{name}'}]"
        if point is None and name.startswith(f"{PLACEMENTS}/"):
            remedy = "a placement's name is its code in lower case: [placements.call_card]"
            faults.append(f"{where}: [{table_of(name)}]: {remedy}")
            continue
        if point is None:
            faults.append(f"{key}: there is no such point{meant(name, POINTS)} Points: {', '.join(POINTS)}.")
            continue
        faults += [f"{key} {fault}" for fault in _point_faults(point, chosen)]
    if faults:
        raise SettingsError("\n".join(faults))


def site_message(settings: SiteSettings) -> dict[str, Any]:
    """
    Return what a worker is told of its site.
    """
    return {
        "t": "site",
        "zone": settings.time_zone,
        "posix_zone": posix_zone(settings.time_zone),
        "region": settings.region,
        "area_code": settings.area_code,
        "hours": dict(settings.hours),
        "holidays": list(settings.holidays),
    }


def posix_zone(name: str) -> str:
    """
    Return the rule of the zone *name* as POSIX writes it ("MSK-3"), from the last line of its tz file.

    The C library then needs no file for it; a zone without such a rule counts as UTC for naive local times.
    """
    roots: list[Traversable] = [Path(directory) for directory in TZPATH]
    for root in (*roots, resources.files("tzdata") / "zoneinfo"):
        with contextlib.suppress(OSError):
            data = root.joinpath(name).read_bytes()
            return data.rstrip(b"\n").rpartition(b"\n")[2].decode("ascii") or "UTC0"
    return "UTC0"


def _point_faults(point: Point, chosen: PointSettings) -> list[str]:
    faults = []
    if point.is_fixed and chosen.timeout_s is not None:
        faults.append(f"timeout_s: it is fixed at {point.timeout_s:g} s by the connector; remove the key")
    if chosen.on_error is not None:
        faults += [f"on_error: {violation}" for violation in contract.check_constant(point, chosen.on_error)]
    return faults


def _stamp(files: Iterable[Path]) -> tuple[int, ...]:
    facts: list[int] = []
    for file in files:
        with contextlib.suppress(OSError):
            found = file.stat()
            facts += [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]
    return tuple(facts)
