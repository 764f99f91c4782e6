"""
What a command needs to run hooks: the settings, an event loop, and a sandbox that is gone when the command is.

Commands take the hooks as the files are now: nothing is written to the state directory and no accepted version is taken
from it.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import structlog

from hookd.cli.output import complain, located
from hookd.errors import SettingsError, UsageError
from hookd.names import meant
from hookd.service import Service
from hookd.settings import DEFAULT_SITE, Settings, find_config, load, site_directories
from hookd.sites import Site

WORKERS_MAX, SPARES = 2, 1  # one that runs, and one that is ready when the first was killed

# Events that the commands tell in their own words.
_TOLD = frozenset({"hook_broken", "hooks_problem", "site_settings_broken", "run"})

Result = TypeVar("Result")


def read_settings(args: argparse.Namespace) -> Settings:
    """
    Return the settings that `--config`, the environment or the working directory lead to.

    Raises:
        SettingsError: They are wrong, or there are none.
    """
    working = Path.cwd()
    return load(find_config(args.config, os.environ, working), working)


def site_directory(settings: Settings, site: str) -> Path:
    """
    Return where *site* is.

    Raises:
        UsageError: There is no such site.
    """
    found = {DEFAULT_SITE: settings.base, **site_directories(settings.sites)}
    if site not in found:
        raise UsageError(f"there is no site {site!r}{meant(site, found)} Sites: {', '.join(found)}")
    return found[site]


def hooks_directory(settings: Settings, site: str) -> Path:
    """
    Return where the hooks of *site* are.

    Raises:
        UsageError: There is no such site.
        SettingsError: The directory is not there.
    """
    base = site_directory(settings, site)
    directory = settings.hooks if site == DEFAULT_SITE else base / "hooks"
    if not directory.is_dir():
        raise SettingsError(f"{directory}: there is no such directory; the hooks of site {site} are looked for there")
    return directory


def with_site(args: argparse.Namespace, work: Callable[[Service, Site], Awaitable[Result]]) -> Result:
    """
    Return what *work* makes of the site that `--site` names.

    What is wrong beside the hooks, settings.toml above all, is told once; the work is done as the server would do it.

    Raises:
        SettingsError: The settings are wrong.
        SandboxError: The sandbox cannot be started.
    """
    settings = read_settings(args)
    hooks_directory(settings, args.site)

    async def with_service(service: Service) -> Result:
        site = service.sites.get(args.site)
        if site is None:
            raise SettingsError(service.sites.unusable[args.site])
        for problem in site.hooks.snapshot.problems:
            complain(located(problem, site.hooks.directory))
        return await work(service, site)

    return run(settings, with_service, only=args.site)


def run(settings: Settings, work: Callable[[Service], Awaitable[Result]], *, only: str | None = None) -> Result:
    """
    Return what *work* makes of a service with the hooks of all sites, or of *only* one.

    Raises:
        SandboxError: The sandbox cannot be started.
    """
    _configure_log()
    return asyncio.run(_run(replace(settings, workers_max=WORKERS_MAX, spares=SPARES), work, only))


async def _run(settings: Settings, work: Callable[[Service], Awaitable[Result]], only: str | None) -> Result:
    service = Service(settings, only=only, keeps=False)
    try:
        await service.start(follow=False)
        return await work(service)
    finally:
        await service.stop()


def _configure_log() -> None:
    structlog.configure(
        processors=[
            _drop_told,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def _drop_told(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if event["event"] in _TOLD:
        raise structlog.DropEvent
    return event
