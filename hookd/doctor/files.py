"""
The files: settings, state directory, secrets, schemas, sites and hooks.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from hookd import contract, storage
from hookd.doctor.finding import Finding, failure, ok, warning
from hookd.errors import StorageError
from hookd.jobs import MEGABYTE, Use
from hookd.names import counted
from hookd.points import POINTS
from hookd.review import review
from hookd.service import Service, quota_of

SPACE_MB = 200
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NEARLY = 0.8  # of what a site may have in the inbox: from here on it is told
SHOWN = 20  # problems of one site's hooks; `hookd check` tells all


def settings(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Which settings are in force."""
    source = service.settings.source
    return [ok(f"settings: {source}" if source else "no hookd.toml: every setting has its default")]


def state(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether hookd can keep what it promises to keep."""
    directory = service.settings.state
    place = next(path for path in (directory, *directory.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return [failure(f"{directory}: cannot be written", "chown it to the user that runs hookd, or set state = …")]
    found = []
    free_mb = shutil.disk_usage(place).free // 2**20
    if free_mb < SPACE_MB:
        found.append(failure(f"{directory}: {free_mb} MB are free", f"Make room: {SPACE_MB} MB at least are wanted."))
    if place == directory and place.stat().st_mode & stat.S_IRWXO:
        found.append(warning(f"{directory}: everybody on this machine may read it", f"chmod 750 {directory}"))
    return found or [ok(f"{directory}: {free_mb} MB are free")]


def inbox(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the sites may promise more jobs and take more events."""
    if not service.jobs.path.exists():
        return [ok("no job was ever promised, and no event taken")]
    try:
        uses = service.jobs.uses()
    except StorageError as error:
        return [failure(str(error), "Until then no job is promised, and no event taken.")]
    found = []
    for site in service.sites.all():
        use, quota = uses.get(site.name, Use()), quota_of(site.settings)
        has = (
            f"site {site.name}: {use.waiting} jobs and events have not ended (at most {quota.waiting}); "
            f"{use.bytes // MEGABYTE} MB with those that have (at most {quota.mb})"
        )
        remedy = "See `hookd jobs list` and `hookd events list`; the limits are jobs_waiting_max and jobs_mb_max."
        if use.over(quota):
            found.append(failure(f"{has}: no more are taken", remedy))
        elif use.waiting > NEARLY * quota.waiting or use.bytes > NEARLY * quota.mb * MEGABYTE:
            found.append(warning(has, remedy))
    waiting = sum(use.waiting for use in uses.values())
    return found or [ok(f"{waiting} jobs and events have not ended, and every site has room for more")]


def secrets(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether what is secret is kept from other users."""
    files = sorted({*_token_files(service), *_secret_files(service)})
    found = []
    for path in files:
        mode = path.stat().st_mode
        if mode & OTHERS:
            what = f"{path}: other users may read or change it (mode {stat.S_IMODE(mode):o})"
            found.append(warning(what, f"chmod {'700' if path.is_dir() else '600'} {path}"))
    kept = sum(path.is_file() for path in files)  # the directory, whose rights count too, is none
    return found or [ok(f"{counted(kept, 'file')} with tokens or secrets, none open to other users")]


def _token_files(service: Service) -> Iterator[Path]:
    """Every file that something secret was read from; a settings file counts where it stands in it."""
    settings = service.settings
    for site in service.sites.all():
        own = site.settings
        held = (*own.tokens, *own.bitrix_event_tokens, own.bitrix_app_secret, own.bitrix_webhook)
        secret = [text for text in (*held, *settings.operator_tokens) if text]
        for path in {*own.files, *([settings.source] if settings.source else [])}:
            if path.is_file() and any(text in path.read_text("utf-8") for text in secret):
                yield path


def _secret_files(service: Service) -> Iterator[Path]:
    for site in service.sites.all():
        directory = site.directory / "secrets"
        if directory.is_dir():
            yield directory
            yield from (path for path in directory.iterdir() if path.is_file())


def schemas(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether every schema is there and is one."""
    contract.check_files()
    contract.preload()
    return [ok(f"{2 * len(POINTS)} schemas of {len(POINTS)} points")]


def sites(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether every site serves."""
    found = [
        failure(f"site {name}: {line}", "Mend its settings.")
        for name, fault in service.sites.unusable.items()
        for line in fault.splitlines()
    ]
    names = ", ".join(site.name for site in service.sites.all())
    return [*found, ok(f"sites: {names}")]


def hooks(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether every hook can be used; compiled in workers just now."""
    found: list[Finding] = []
    count = 0
    for site in service.sites.all():
        if not site.hooks.directory.is_dir():
            what = f"{site.hooks.directory}: there is no such directory: no call of site {site.name} is changed"
            found.append(failure(what, "Make it, or correct `hooks` in the settings."))
            continue
        seen = review(site)
        count += len(seen.hooks)
        problems = [
            (warning if one.is_warning else failure)(f"site {site.name}: {one.problem}", "`hookd check` tells more.")
            for one in seen.findings
        ]
        found += problems[:SHOWN]
        if site.hooks.directory.stat().st_mode & stat.S_IWOTH:
            what = f"{site.hooks.directory}: everybody on this machine may put a hook there"
            found.append(failure(what, f"chmod o-w {site.hooks.directory}"))
    return [*found, ok(f"{counted(count, 'hook')} can be used")]


def quarantine(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether a hook is in quarantine."""
    state = service.settings.state
    if not (state / storage.NAME).exists():
        return [ok("no hook is in quarantine")]
    try:
        rows = storage.Quarantine(state).details()
    except StorageError as error:
        return [failure(str(error), "Hooks that did what no hook may do are not known.")]
    current = {
        (site.name, hook.name, hook.digest)
        for site in service.sites.all()
        for hook in site.hooks.snapshot.hooks.values()
    }
    held = [
        (row["site"], row["hook"], row["detail"])
        for row in rows
        if (row["site"], row["hook"], row["digest"]) in current
    ]
    remedy = "Read it with suspicion; it runs again when its file changes."
    found = [failure(f"site {site}: {hook}: did what no hook may do: {why}", remedy) for site, hook, why in held]
    return found or [ok("no hook is in quarantine")]
