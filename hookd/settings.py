"""
What an operator may set: one row a setting, read once into frozen values.

`hookd.toml` holds the installation's settings and, under `[site]`, those of the default site; `site.toml` in the
directory of any other site holds that site's. Both may carry `[points.<name>]` tables. A key that is unknown, of a
wrong type or out of its range stops the start, and all of them are named at once.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookd import setting_readers as reader
from hookd.errors import SettingsError
from hookd.hosts import is_loopback
from hookd.names import meant

CONFIG_NAME = "hookd.toml"
SITE_NAME = "site.toml"
SYSTEM_CONFIG = Path("/etc/hookd") / CONFIG_NAME
DEFAULT_SITE = "default"
ISOLATIONS = ("warm", "fresh")

_TABLES = ("points", "jobs", "events", "placements")  # of tables, one a name
RECORDS_ROOTS = (Path("/var/spool/asterisk/monitor"),)  # Asterisk's own, and FreePBX's
RECORDS_DAYS = 30

_SECRET_WORDS = ("token", "secret", "webhook")  # in the name of a setting: its value is not shown

_SITE_DIRECTORY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Setting:
    """
    One key of a settings file.

    Attributes:
        name: The key.
        read: Turns the TOML value into ours; raises ValueError saying what is allowed.
        default: Value where the key is absent.
        about: One sentence with the unit, for the README's table.
    """

    name: str
    read: Callable[[Any], Any]
    default: Any
    about: str


@dataclass(frozen=True, slots=True)
class PointSettings:
    """
    Settings of one point or placement; the rows of POINT_SETTINGS say what each means, None that there is none.
    """

    timeout_s: float | None = None
    on_error: dict[str, Any] | None = None
    isolation: str | None = None
    record: str | None = None


@dataclass(frozen=True, slots=True)
class JobSettings:
    """
    Settings of one job, or of the hook of some events; the rows of JOB_SETTINGS say what each means.
    """

    timeout_s: float = 60.0
    attempts_max: int = 8
    retry_first_s: float = 10.0
    retry_max_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """
    Settings of one site; the rows of SITE_SETTINGS say what each means.

    Attributes:
        files: What the settings were read from: a change of one makes them stale.
    """

    time_zone: str
    region: str
    area_code: str
    hours: Mapping[str, str]
    holidays: tuple[str, ...]
    tokens: tuple[str, ...]
    record: str = "on"
    record_phones: str = "masked"
    isolation: str = "warm"
    http_hosts: tuple[str, ...] = ()
    store_keys_max: int = 10_000
    store_mb_max: int = 16
    jobs_waiting_max: int = 10_000
    jobs_mb_max: int = 1024
    records_roots: tuple[Path, ...] = RECORDS_ROOTS
    records_out: Path | None = None
    records_days: int = RECORDS_DAYS
    bitrix_app_id: str = ""
    bitrix_app_secret: str = field(default="", repr=False)
    bitrix_event_tokens: tuple[str, ...] = field(default=(), repr=False)
    bitrix_webhook: str = field(default="", repr=False)
    bitrix_methods: tuple[str, ...] = ("*",)
    files: tuple[Path, ...] = ()
    points: Mapping[str, PointSettings] = field(default_factory=dict)
    jobs: Mapping[str, JobSettings] = field(default_factory=dict)
    events: Mapping[str, JobSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Settings of an installation; the rows of SETTINGS say what each means.

    Attributes:
        base: Directory that relative paths start from, and the default site's.
        source: The file that was read; None where there is none.
        site: The default site's settings.
    """

    base: Path
    source: Path | None
    bind: str
    state: Path
    hooks: Path
    sites: Path
    processes: int
    workers_max: int
    spares: int
    fresh_spares: int
    min_isolation: str
    allow_weak_isolation: bool
    operator_tokens: tuple[str, ...]
    log_format: str
    journal_days: int
    journal_mb: int
    public_url: str
    site: SiteSettings

    @property
    def wanted_level(self) -> int:
        """The isolation level that min_isolation names."""
        return int(self.min_isolation.removeprefix("L"))

    @property
    def min_level(self) -> int:
        """The isolation level below which no hook is run."""
        return 0 if self.allow_weak_isolation else self.wanted_level

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the bind address."""
        return self.bind.startswith("unix:") or is_loopback(self.bind.rpartition(":")[0])


_RECORD = reader.choice("off", "on", "raw")

# Attribute of Settings, in the order of the README's table.
SETTINGS = (
    Setting("bind", reader.bind, "127.0.0.1:8080", 'Where hookd listens: "host:port", or "unix:/path".'),
    Setting("state", reader.path, Path("var"), "Directory of what hookd keeps; made if it is not there."),
    Setting("hooks", reader.path, Path("hooks"), "Directory of the default site's hooks."),
    Setting("sites", reader.path, Path("sites"), "Directory of the other sites, one directory each."),
    Setting("processes", reader.integer(1, 256), os.cpu_count() or 1, "HTTP processes; the default is one a core."),
    Setting("workers_max", reader.integer(2, 512), 8, "Sandbox workers of one HTTP process, over all sites."),
    Setting("spares", reader.integer(0, 64), 1, "Workers of one HTTP process that wait, bound to no site."),
    Setting("fresh_spares", reader.integer(1, 64), 2, 'Workers prepared for each hook with isolation = "fresh".'),
    Setting(
        "min_isolation",
        reader.choice("L2", "L3", "L4"),
        "L2",
        "Below this isolation level hooks are not run; `hookd doctor` tells the level.",
    ),
    Setting("allow_weak_isolation", reader.flag, False, "Run hooks below min_isolation all the same."),
    Setting(
        "operator_tokens",
        reader.tokens,
        (),
        "Who may read /metrics and the details of /readyz; none: loopback only.",
    ),
    Setting("operator_tokens_file", reader.path, None, "File with one operator token a line."),
    Setting("log_format", reader.choice("auto", "json", "text"), "auto", "auto: text on a terminal, else JSON."),
    Setting("journal_days", reader.integer(1, 3650), 14, "Days after which a run is gone from the journal."),
    Setting("journal_mb", reader.integer(8, 1_000_000), 256, "Megabytes of the journal; the oldest runs make room."),
    Setting(
        "public_url",
        reader.public_url,
        "",
        "Where Bitrix24 and its users reach hookd, such as https://hooks.example.com.",
    ),
)

SITE_SETTINGS = (
    Setting("time_zone", reader.zone, "UTC", "The site's zone: `clock`, and times in `call`."),
    Setting("region", reader.region, "RU", "Country whose rules read numbers without a country code."),
    Setting("area_code", reader.area_code, "", "Area code of numbers that are dialled without one."),
    Setting("hours", reader.hours, {}, "Working hours a weekday; empty means always."),
    Setting("holidays", reader.holidays, (), "Dates without working hours."),
    Setting("tokens", reader.tokens, (), "Who may ask the points of this site; several at once, for rotation."),
    Setting("tokens_file", reader.path, None, "File with one token a line; re-read when it changes."),
    Setting("isolation", reader.choice(*ISOLATIONS), "warm", "warm: workers are used again; fresh: one run each."),
    Setting(
        "http_hosts",
        reader.http_hosts,
        (),
        "Hosts that `http` may reach: names, `*.` names, and addresses that are not public, with a port or without.",
    ),
    Setting("store_keys_max", reader.integer(0, 1_000_000), 10_000, "Keys that `store` keeps for the site."),
    Setting("store_mb_max", reader.integer(0, 1024), 16, "Megabytes that `store` keeps for the site, keys included."),
    Setting(
        "jobs_waiting_max", reader.integer(0, 10_000_000), 10_000, "Jobs and events of the site that have not ended."
    ),
    Setting(
        "jobs_mb_max", reader.integer(0, 1_000_000), 1024, "Megabytes of its jobs and events, with those that ended."
    ),
    Setting("bitrix_app_id", reader.app_id, "", "client_id of the Bitrix24 app that the site's portals install."),
    Setting("bitrix_app_secret", reader.app_secret, "", "client_secret of that app."),
    Setting("bitrix_app_secret_file", reader.path, None, "File with the client_secret; re-read when it changes."),
    Setting("bitrix_event_tokens", reader.tokens, (), "Tokens of the outgoing webhooks that may post events."),
    Setting("bitrix_event_tokens_file", reader.path, None, "File with the tokens of outgoing webhooks, one a line."),
    Setting("bitrix_webhook", reader.webhook, "", "Address of an incoming webhook, for sites without an app."),
    Setting("bitrix_webhook_file", reader.path, None, "File with the address of an incoming webhook."),
    Setting("bitrix_methods", reader.methods, ("*",), "REST methods that hooks may call; a `*` stands for any ending."),
    Setting("record", _RECORD, "on", "What the journal keeps of a run: off, on, or raw (with path and headers)."),
    Setting("record_phones", reader.choice("masked", "plain"), "masked", "How the journal writes numbers of people."),
    Setting("records_roots", reader.absolutes, RECORDS_ROOTS, "Directories with recordings, for `records`."),
    Setting("records_out", reader.absolute, None, "Where conversions go; without it, hookd/ in the recording's root."),
    Setting("records_days", reader.integer(1, 3650), RECORDS_DAYS, "Days from a recording until its conversions go."),
)

POINT_SETTINGS = (
    Setting("timeout_s", reader.timeout, None, "Seconds from the request's headers until the hook is stopped."),
    Setting("on_error", reader.on_error, None, "Data of the reply when the hook fails, instead of the unchanged data."),
    Setting("isolation", reader.choice(*ISOLATIONS), None, "warm or fresh, for this point alone."),
    Setting("record", _RECORD, None, "What the journal keeps of this point's runs, instead of the site's record."),
)

# Of [placements.NAME]: those of a point, but for on_error. Whoever looks at a page that failed is told.
PLACEMENT_SETTINGS = tuple(row for row in POINT_SETTINGS if row.name != "on_error")

JOB_SETTINGS = (
    Setting("timeout_s", reader.seconds(1, 600), 60.0, "Seconds until a run of the job is stopped."),
    Setting("attempts_max", reader.integer(1, 100), 8, "Runs that may fail until the job is dead."),
    Setting(
        "retry_first_s",
        reader.seconds(1, 86_400),
        10.0,
        "Seconds until the second run; each further wait is twice as long, give or take a quarter.",
    ),
    Setting("retry_max_s", reader.seconds(1, 604_800), 3600.0, "Most seconds between two runs."),
)
EVENT_SETTINGS = (
    Setting("timeout_s", reader.seconds(1, 600), 30.0, "Seconds until a run for an event is stopped."),
    Setting("attempts_max", reader.integer(1, 100), 8, "Runs that may fail until the event is dead."),
    *JOB_SETTINGS[2:],
)


def find_config(named: Path | None, environment: Mapping[str, str], working: Path) -> Path | None:
    """
    Return the settings file to use: *named*, else HOOKD_CONFIG, the *working* directory's, /etc/hookd's, else None.

    Raises:
        SettingsError: The file that was named is not there.
    """
    wanted = named or (Path(environment["HOOKD_CONFIG"]) if environment.get("HOOKD_CONFIG") else None)
    if wanted is not None:
        if not wanted.is_file():
            raise SettingsError(f"{wanted}: there is no such settings file; `hookd init DIR` makes one")
        return wanted.absolute()
    return next((path for path in (working / CONFIG_NAME, SYSTEM_CONFIG) if path.is_file()), None)


def load(config: Path | None, working: Path) -> Settings:
    """
    Return the settings in the file *config*, or the defaults around *working* where there is none.

    Raises:
        SettingsError: One line for every key that is wrong.
    """
    if config is None and not (working / "hooks").is_dir():
        raise SettingsError(
            f"no {CONFIG_NAME} in {working} or {SYSTEM_CONFIG.parent}, and no hooks/ here: "
            "name one with --config or HOOKD_CONFIG, or make one with `hookd init DIR`"
        )
    base = config.parent if config else working
    table = _toml(config) if config else {}
    faults: list[str] = []
    name = str(config or CONFIG_NAME)
    values = _read(name, {k: v for k, v in table.items() if k not in ("site", *_TABLES)}, SETTINGS, faults)
    site_table = table.get("site", {})
    site = _read(f"{name}: [site]", site_table, SITE_SETTINGS, faults)
    points = _points(name, table, faults) | _points(name, _popped(site), faults)
    jobs = _jobs(name, table.get("jobs", {}), faults) | _jobs(name, site.pop("jobs"), faults)
    events = _events(name, table.get("events", {}), faults) | _events(name, site.pop("events"), faults)
    _add_tokens(values, "operator_tokens", base, faults)
    files = [config] if config else []
    files += _add_files(site, base, faults)
    if faults:
        raise SettingsError("\n".join(faults))
    for key in ("state", "hooks", "sites"):
        values[key] = base / values[key]
    for key in _TABLES:
        values.pop(key)
    settings = Settings(
        base=base,
        source=config,
        site=SiteSettings(points=points, jobs=jobs, events=events, files=tuple(files), **site),
        **values,
    )
    _check_exposure(settings)
    return settings


def load_site(directory: Path, common: SiteSettings | None = None) -> SiteSettings:
    """
    Return the settings of the site in *directory*: its site.toml and, of *common*, the installation's, what is set for
    single points, pages, jobs and events.

    Raises:
        SettingsError: One line for every key that is wrong.
    """
    path = directory / SITE_NAME
    faults: list[str] = []
    site = _read(str(path), _toml(path) if path.exists() else {}, SITE_SETTINGS, faults)
    points = _points(str(path), _popped(site), faults)
    jobs = _jobs(str(path), site.pop("jobs"), faults)
    events = _events(str(path), site.pop("events"), faults)
    if common:
        points, jobs, events = {**common.points, **points}, {**common.jobs, **jobs}, {**common.events, **events}
    files = [path, *_add_files(site, directory, faults)]
    if faults:
        raise SettingsError("\n".join(faults))
    return SiteSettings(points=points, jobs=jobs, events=events, files=tuple(files), **site)


def read_tokens(file: Path) -> tuple[str, ...]:
    """
    Return the tokens in *file*, one a line.

    Raises:
        SettingsError: It cannot be read, has none, or has one that is none.
    """
    try:
        lines = file.read_text("utf-8").split()
        if not lines:
            raise ValueError("there is no token in this file")
        return reader.tokens(lines)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def site_directories(sites: Path) -> dict[str, Path]:
    """
    Return the directories below *sites* that are sites, by name; others (such as .git) are no business of ours.

    Raises:
        OSError: The directory is there, but cannot be looked at.
    """
    try:
        found = [path for path in sites.iterdir() if _SITE_DIRECTORY.fullmatch(path.name) and path.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {path.name: path for path in sorted(found) if path.name != DEFAULT_SITE}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of 5000 digits, very deep
        raise SettingsError(f"{path}: is no TOML: {error}") from error


def _read(where: str, table: Any, rows: tuple[Setting, ...], faults: list[str]) -> dict[str, Any]:
    known = {row.name: row for row in rows}
    if not isinstance(table, dict):
        faults.append(f"{where}: a table is expected")
        table = {}
    values: dict[str, Any] = {row.name: row.default for row in rows} | {key: table.get(key, {}) for key in _TABLES}
    for key, value in table.items():
        if key in _TABLES:
            continue
        if key not in known:
            faults.append(f"{where}: {key}: there is no such setting{meant(key, known)} Settings: {', '.join(known)}.")
            continue
        try:
            values[key] = known[key].read(value)
        except ValueError as error:
            shown = "" if any(word in key for word in _SECRET_WORDS) else f" = {value!r}"
            faults.append(f"{where}: {key}{shown}: {error}")
    return values


def _popped(site: dict[str, Any]) -> dict[str, Any]:
    return {kind: site.pop(kind) for kind in ("points", "placements")}


def _points(where: str, tables: Mapping[str, Any], faults: list[str]) -> dict[str, PointSettings]:
    """What is set for points, by name, and for placements, by "placements/" and their names."""
    read = _read_tables(where, "points.process_client_phone", tables.get("points", {}), POINT_SETTINGS, faults)
    pages = _read_tables(where, "placements.call_card", tables.get("placements", {}), PLACEMENT_SETTINGS, faults)
    read |= {f"placements/{name}": values for name, values in pages.items()}
    return {name: PointSettings(**values) for name, values in read.items()}


def _jobs(where: str, tables: Any, faults: list[str]) -> dict[str, JobSettings]:
    read = _read_tables(where, "jobs.call_back", tables, JOB_SETTINGS, faults)
    return {name: JobSettings(**values) for name, values in read.items()}


def _events(where: str, tables: Any, faults: list[str]) -> dict[str, JobSettings]:
    read = _read_tables(where, "events.crm_lead", tables, EVENT_SETTINGS, faults)
    return {name: JobSettings(**values) for name, values in read.items()}


def _read_tables(
    where: str, example: str, tables: Any, rows: tuple[Setting, ...], faults: list[str]
) -> dict[str, dict[str, Any]]:
    kind = example.partition(".")[0]
    if not isinstance(tables, dict):
        faults.append(f"{where}: {kind}: tables are expected, such as [{example}]")
        return {}
    read = {name: _read(f"{where}: [{kind}.{name}]", table, rows, faults) for name, table in tables.items()}
    return {name: {row.name: values[row.name] for row in rows} for name, values in read.items()}


def _add_files(values: dict[str, Any], base: Path, faults: list[str]) -> list[Path]:
    """Put into *values* what a site's settings say is in files; return these."""
    files = [*_add_tokens(values, "tokens", base, faults), *_add_tokens(values, "bitrix_event_tokens", base, faults)]
    for key, read in (("bitrix_app_secret", reader.app_secret), ("bitrix_webhook", reader.webhook)):
        path = values.pop(f"{key}_file")
        if path is None:
            continue
        files.append(base / path)
        try:
            values[key] = read((base / path).read_text("utf-8").strip())
        except (OSError, ValueError) as error:
            faults.append(f"{base / path}: {key}_file: {getattr(error, 'strerror', None) or error}")
    return files


def _add_tokens(values: dict[str, Any], key: str, base: Path, faults: list[str]) -> list[Path]:
    path = values.pop(f"{key}_file")
    if path is None:
        return []
    try:
        values[key] = (*values[key], *read_tokens(base / path))
    except SettingsError as error:
        where, _, what = str(error).partition(": ")
        faults.append(f"{where}: {key}_file: {what}")
    return [base / path]


def _check_exposure(settings: Settings) -> None:
    if settings.is_loopback or settings.site.tokens:
        return
    raise SettingsError(
        f"{settings.source or CONFIG_NAME}: bind = {settings.bind!r} can be reached from other machines, and no token "
        "protects the points: set tokens or tokens_file under [site], or bind to 127.0.0.1"
    )
