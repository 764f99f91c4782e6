"""
From files to an immutable snapshot of hooks, and back to the last good one.

A site's `hooks/` directory is looked at again and again (stat, no inotify: it fails on mounted directories). A hook
whose text, or that of a lib file it uses, has changed is read here, compiled and checked in a sandbox worker, and put
into a new snapshot in one assignment; runs that have begun keep the old one. This process never compiles anything of a
hook's.

Sources that were accepted are kept in the state directory by their digest. So a broken edit, or a restart on one,
leaves the last good version in force, and says so.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import stat
import sys
import tempfile
import tomllib
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from hookd import __version__
from hookd.errors import LoadError, Problem
from hookd.metrics import BROKEN, RELOADS
from hookd.names import meant
from hookd.points import ALIASES, EVENTS, JOBS, KINDS, NAMES, PLACEMENTS, POINTS, kind_of, table_of
from hookd.tools.lists import FOLDER as LISTS
from hookd.tools.lists import names as list_names

MAX_SOURCE_BYTES = 65_536  # longer sources take the compiler seconds; real hooks have 1 to 5 KB
SETTLE_S = 0.05  # a file that changes between two looks is still being written
SETTLE_LOOKS = 6  # then it is read as it is; the next look finds the rest
SETTINGS_FILE = "settings.toml"
SHOWN_MAX = 20  # names in a message
TITLE = "title"  # of a placement: what its button or tab says; the portal reads it, not the hook
ALL_HOOKS = "all"  # the table of settings.toml that every hook gets
LIB = "lib"
TEMPLATES, TEMPLATE_SUFFIX = "templates", ".html"
ACCEPTED_BY = f"hookd {__version__}, Python {sys.version_info.major}.{sys.version_info.minor}"

# Characters that show a reader another program than the one that runs (Trojan Source, CVE-2021-42574).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_MEANT = {JOBS: "a job", EVENTS: "an event", PLACEMENTS: "a placement"}

Check = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
Stamps = Mapping[str, tuple[int, ...]]

log = structlog.get_logger("hookd.hooks")


@dataclass(frozen=True, slots=True)
class Hook:
    """
    One version of one hook that was found good.

    Attributes:
        kind: "point", "job", "event" or "placement".
        name: The point, or the directory and the name of a job, or of a code or a family: "jobs/", "events/", …
        file: Path relative to the hooks directory.
        libs: The lib files that it uses, name → source.
        digest: SHA-256 over the name, the source, the libs and the templates, hex.
        settings_keys: The settings that it reads by a literal key, with the line.
        tools: Those of the tools that act outside of the sandbox which its function names.
        lists: The lists that it names literally, with the line.
        jobs: The jobs that it enqueues by a literal name, with the line.
        warnings: What is legal in it but probably wrong.
        templates: The templates that its pages are made with, name → source.
    """

    kind: str
    name: str
    file: str
    source: str
    libs: Mapping[str, str]
    digest: str
    settings_keys: tuple[tuple[str, int], ...] = ()
    tools: tuple[str, ...] = ()
    lists: tuple[tuple[str, int], ...] = ()
    jobs: tuple[tuple[str, int], ...] = ()
    warnings: tuple[Problem, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What a site's hooks are at one moment.

    Attributes:
        hooks: Name → hook.
        broken: Name → what is wrong with the file as it is now; its last good version may still be in `hooks`.
        settings: Name → the hook's settings, those for all hooks included.
        problems: What is wrong beside the hooks: settings.toml, files that are no hooks.
    """

    hooks: Mapping[str, Hook] = field(default_factory=dict)
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def has_durable(self) -> bool:
        """Whether there is a hook of a job or of events, be it broken: then there is work for the consumer."""
        return any(kind_of(name) in ("job", "event") for name in (*self.hooks, *self.broken))

    def has(self, name: str) -> bool:
        """Whether there is a hook *name*, be it broken."""
        return name in self.hooks or name in self.broken


class HookFiles:
    """
    The hooks of one site: their files, and the snapshot that is in force.

    Args:
        site: The site's name.
        directory: Its hooks directory; it may not exist.
        state: Directory for accepted sources; None keeps nothing (commands).
        check: Has a worker compile a hook; takes and returns `sandbox.wire` messages.
    """

    def __init__(self, site: str, directory: Path, state: Path | None, check: Check) -> None:
        self.site = site
        self.directory = directory
        self.snapshot = Snapshot()
        self._accepted = Accepted(state / "sites" / site) if state else None
        self._check = check
        self._stamps: Stamps | None = None
        self._rejected: dict[str, tuple[str, _Beside, tuple[Problem, ...]]] = {}

    def is_stale(self, stamps: Stamps) -> bool:
        """Whether the files have changed since the snapshot was made; *stamps* is what `look` sees now."""
        return stamps != self._stamps

    async def refresh(self) -> None:
        """
        Bring the snapshot up to date with the files, if they changed.

        Raises:
            Busy: No worker was free to check a hook; the files count as changed still.
            OSError: The directory cannot be looked at.
        """
        stamps = await asyncio.to_thread(look, self.directory)
        if not self.is_stale(stamps):
            return
        good_before, is_current = self.snapshot.hooks, True
        if self._stamps is None:
            if self._accepted:
                good_before, is_current = await asyncio.to_thread(self._accepted.load)
        else:
            stamps = await self._settled(stamps)
        files, unreadable = await asyncio.to_thread(_read_all, self.directory, stamps)
        await self._update(files, unreadable, good_before, is_current=is_current)
        self._stamps = stamps
        BROKEN.labels(self.site).set(len(self.snapshot.broken))

    async def _settled(self, stamps: Stamps) -> Stamps:
        for _ in range(SETTLE_LOOKS):
            await asyncio.sleep(SETTLE_S)
            again = await asyncio.to_thread(look, self.directory)
            if again == stamps:
                break
            stamps = again
        return stamps

    async def _update(
        self,
        files: Mapping[str, str],
        unreadable: Mapping[str, Problem],
        good_before: Mapping[str, Hook],
        *,
        is_current: bool,
    ) -> None:
        """
        Put what is known at once into force, then one hook after the other as it is examined.

        Until a hook was examined its last good version serves; where there is none, its runs fall back.
        """
        old = self.snapshot
        beside = _beside(files)
        present = _present({*files, *unreadable})
        there = _There(await asyncio.to_thread(list_names, self.directory), _job_names(present))
        hooks = {name: good_before[name] for name in present if name in good_before}
        broken = {name: old.broken.get(name, (_pending(name),)) for name in present if name not in hooks}
        settings, problems = self._read_settings(files, unreadable)
        problems += tuple(_strangers(files))
        self._note_problems(problems, old)
        self.snapshot = Snapshot(dict(hooks), dict(broken), settings, problems)
        for name in (old.hooks.keys() | old.broken.keys()) - set(present):
            self._note_removed(name)
        for name in present:
            file, before = f"{name}.py", hooks.get(name)
            is_known = file in files and before and is_current and _is_same(before, files[file], beside)
            if is_known and before and not _missing(before, there):
                broken.pop(name, None)
            else:
                found, faults = await self._judge(name, files, unreadable, beside)
                if found and (missing := _missing(found, there)):
                    found, faults = None, missing
                if found is None and before and not is_current:
                    before, _ = await self._examine(name, file, before.source, _Beside(before.libs, before.templates))
                self._note(name, found, before, faults, old)
                _put(hooks, name, found or before)
                _put(broken, name, faults or None)
            self.snapshot = Snapshot(dict(hooks), dict(broken), settings, problems)
        if self._accepted and hooks != good_before:
            await asyncio.to_thread(self._accepted.store, hooks)

    async def _judge(
        self, name: str, files: Mapping[str, str], unreadable: Mapping[str, Problem], beside: "_Beside"
    ) -> tuple[Hook | None, tuple[Problem, ...]]:
        """The hook as its file is now, or what is wrong with it, which is found out once."""
        file = f"{name}.py"
        if file in unreadable:
            return None, (unreadable[file],)
        source, known, faults = self._rejected.pop(name, ("", _Beside({}, {}), ()))
        if not faults or source != files[file] or known != beside:
            found, faults = await self._examine(name, file, files[file], beside)
            if found:
                return found, ()
        self._rejected[name] = files[file], beside, faults
        return None, faults

    def _read_settings(
        self, files: Mapping[str, str], unreadable: Mapping[str, Problem]
    ) -> tuple[Mapping[str, Mapping[str, Any]], tuple[Problem, ...]]:
        others = tuple(problem for file, problem in unreadable.items() if not _present([file]))
        if SETTINGS_FILE in unreadable:
            return self.snapshot.settings, others
        settings, problems = _settings(files.get(SETTINGS_FILE), self.snapshot)
        return settings, problems + others

    async def _examine(
        self, name: str, file: str, source: str, beside: "_Beside"
    ) -> tuple[Hook | None, tuple[Problem, ...]]:
        kind = kind_of(name)
        message = {"t": "check", "kind": kind, "name": name, "file": file, "source": source, "libs": dict(beside.libs)}
        if kind == "placement":
            message["templates"] = dict(beside.templates)
        answer = await self._check(message)
        problems = tuple(Problem(**problem) for problem in answer["problems"])
        if problems:
            return None, problems
        used = {lib: beside.libs[lib] for lib in answer["libs"]}
        templates = {template: beside.templates[template] for template in answer["templates"]}
        warnings = tuple(Problem(**warning) for warning in answer["warnings"])
        keys = tuple((str(key), int(line)) for key, line in answer["settings_keys"])
        lists = tuple((str(key), int(line)) for key, line in answer["lists"])
        jobs = tuple((str(key), int(line)) for key, line in answer["jobs"])
        digest = _digest(name, source, used, templates)
        tools = tuple(answer["tools"])
        return Hook(kind, name, file, source, used, digest, keys, tools, lists, jobs, warnings, templates), ()

    def _note(
        self, name: str, found: Hook | None, before: Hook | None, problems: tuple[Problem, ...], old: Snapshot
    ) -> None:
        facts: dict[str, Any] = {"site": self.site, "point": name}
        if found:
            RELOADS.labels(self.site, "ok").inc()
            log.info("hook_loaded", **facts, digest=found.digest[:12], warnings=[str(item) for item in found.warnings])
        elif problems != old.broken.get(name):
            RELOADS.labels(self.site, "broken").inc()
            keeps = f"version {before.digest[:12]} stays in force" if before else "there is no version that works"
            log.error("hook_broken", **facts, problems=[str(problem) for problem in problems], keeps=keeps)

    def _note_removed(self, name: str) -> None:
        RELOADS.labels(self.site, "removed").inc()
        log.info("hook_removed", site=self.site, point=name)

    def _note_problems(self, problems: tuple[Problem, ...], old: Snapshot) -> None:
        for problem in problems:
            if problem not in old.problems:
                log.warning("hooks_problem", site=self.site, problem=str(problem))


class Accepted:
    """
    The last good version of each hook of a site, on disk.

    A full disk costs the memory of the last good version, never a call: it is logged.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "accepted.json"

    def load(self) -> tuple[dict[str, Hook], bool]:
        """
        Return the hooks by name, and whether this version of hookd and Python accepted them.
        """
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            return {name: _revive(name, hook) for name, hook in kept["hooks"].items()}, kept["by"] == ACCEPTED_BY
        except FileNotFoundError:
            return {}, True
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.warning("accepted_unreadable", file=str(self._path), error=str(error))
            return {}, True

    def store(self, hooks: Mapping[str, Hook]) -> None:
        """
        Replace the file, by way of a temporary one.
        """
        kept = {"by": ACCEPTED_BY, "hooks": {name: asdict(hook) for name, hook in hooks.items()}}
        text = json.dumps(kept, ensure_ascii=False, indent=1)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, prefix=".accepted-", delete=False
            ) as file:
                temporary = file.name
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path)
        except OSError as error:
            log.error("accepted_not_stored", file=str(self._path), error=str(error))
            with contextlib.suppress(OSError, UnboundLocalError):
                os.unlink(temporary)


def look(directory: Path) -> Stamps:
    """
    Return what tells versions of the files below *directory* apart: relative path → stat facts.

    Raises:
        OSError: The directory is there, but cannot be looked at.
    """
    stamps: dict[str, tuple[int, ...]] = {}
    for folder in ("", LIB, *KINDS, TEMPLATES):
        suffix = TEMPLATE_SUFFIX if folder == TEMPLATES else ".py"
        try:
            with os.scandir(directory / folder) as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            continue  # anything else (no descriptors left, a mount that is gone) is no reason to drop hooks
        for entry in entries:
            if not entry.name.endswith(suffix) and (folder or entry.name != SETTINGS_FILE):
                continue
            if not entry.name.isprintable() or entry.name != entry.name.encode(errors="replace").decode():
                continue  # no name of a hook or a lib file
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                facts = entry.stat()  # of the target, where it is a link: mounted directories swap links
            except FileNotFoundError:  # gone between the two calls, or a link to nothing
                continue
            except OSError as error:  # a link to itself, say: reading it will tell
                stamps[name] = (-(error.errno or 0),)
            else:
                stamps[name] = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino, facts.st_mode)
    # Of lists only whether they are there: they are read when they are asked for.
    return stamps | {f"{LISTS}/{file}": () for files in list_names(directory).values() for file in files}


def read_source(directory: Path, file: str) -> str:
    """
    Return the text of *file* below *directory*.

    Raises:
        LoadError: It is not a regular file, too long, writable by everybody, not UTF-8, or holds control or
            bidirectional characters.
    """
    try:
        fd = os.open(directory / file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block
    except OSError as error:
        raise LoadError(
            [Problem(file, 0, f"cannot be read: {error.strerror}.", "hookd's user must be able to.")]
        ) from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise LoadError([Problem(file, 0, "this is not a regular file.", "Put the hook's text here.")])
        if facts.st_mode & stat.S_IWOTH:
            raise LoadError([Problem(file, 0, "everybody on this machine may write it.", f"chmod o-w {file}")])
        data = _read(fd, MAX_SOURCE_BYTES + 1)
    finally:
        os.close(fd)
    if len(data) > MAX_SOURCE_BYTES:
        raise LoadError([Problem(file, 0, f"is longer than {MAX_SOURCE_BYTES} bytes.", "Move parts of it to lib/.")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LoadError([Problem(file, line, "is not UTF-8 here.", "Save the file as UTF-8.")]) from error
    text = text.replace("\r\n", "\n")
    for index, character in enumerate(text):
        if character in _BIDI or (unicodedata.category(character) == "Cc" and character not in "\n\t\f"):
            line = text.count("\n", 0, index) + 1
            what = f"U+{ord(character):04X}, which no editor shows"
            raise LoadError(
                [Problem(file, line, f"holds the character {what}.", "Delete it, or write it as an escape.")]
            )
    return text


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := os.read(fd, size - len(data))):
        data += part
    return data


def settings_of(snapshot: Snapshot, name: str) -> Mapping[str, Any]:
    """
    Return the settings of the hook *name*: its own table over the one for all hooks.
    """
    return snapshot.settings.get(name) or snapshot.settings.get(ALL_HOOKS) or {}


def titles(directory: Path) -> dict[str, Any]:
    """
    Return what settings.toml in *directory* has for `title` of placements, by their names; nothing where it is broken.
    """
    try:
        tables, _ = _settings(read_source(directory, SETTINGS_FILE), Snapshot())
    except LoadError:
        return {}
    prefix = f"{PLACEMENTS}/"
    found = {name.removeprefix(prefix): table.get(TITLE) for name, table in tables.items() if name.startswith(prefix)}
    return {name: title for name, title in found.items() if title}


def settings_warnings(hook: Hook, settings: Mapping[str, Any]) -> list[Problem]:
    """
    Return a warning for each settings key that *hook* reads and that is not there.
    """
    return [
        Problem(
            hook.file,
            line,
            f"settings has no key {key!r}{meant(key, settings)}",
            f"Write it in hooks/{SETTINGS_FILE} under [{table_of(hook.name)}], or use settings.get({key!r}).",
        )
        for key, line in hook.settings_keys
        if key not in settings
    ]


def unread_settings(hook: Hook, snapshot: Snapshot) -> list[Problem]:
    """
    Return a warning for each key of the hook's own table whose name stands nowhere in its text: a typing error, mostly.

    A hook that walks through its settings reads what it does not name; nothing is said of it then.
    """
    text = "\n".join((hook.source, *hook.libs.values()))
    if re.search(r"\bsettings\.(?:items|keys|values)\b|\bin settings\b(?!\.|\[)", text):
        return []
    named = set(re.findall(r"""["']([^"'\n]+)["']""", text))
    common = snapshot.settings.get(ALL_HOOKS, {})
    return [
        Problem(
            SETTINGS_FILE,
            0,
            f"[{table_of(hook.name)}] {key} is read nowhere in {hook.file}{meant(key, named)}",
            "Correct the name, or remove it.",
        )
        for key in snapshot.settings.get(hook.name, {})
        if key not in named and key not in common and not (hook.kind == "placement" and key == TITLE)
    ]


def _revive(name: str, kept: dict[str, Any]) -> Hook:
    kept["settings_keys"] = tuple((key, line) for key, line in kept["settings_keys"])
    kept["tools"] = tuple(kept.get("tools", ()))
    kept["lists"] = tuple((key, line) for key, line in kept.get("lists", ()))
    kept["jobs"] = tuple((key, line) for key, line in kept.get("jobs", ()))
    kept["warnings"] = tuple(Problem(**warning) for warning in kept["warnings"])
    return Hook(**{**kept, "kind": kind_of(name), "name": name})


@dataclass(frozen=True, slots=True)
class _There:
    """What hooks may name beside settings."""

    lists: Collection[str]
    jobs: Collection[str]


def _missing(hook: Hook, there: _There) -> tuple[Problem, ...]:
    """What is wrong with the lists and jobs that *hook* names."""
    lists = _unknown(hook, "list", hook.lists, there.lists, f"It is a file hooks/{LISTS}/NAME.txt or NAME.csv. Lists")
    jobs = _unknown(hook, "job", hook.jobs, there.jobs, f"It is a file hooks/{JOBS}/NAME.py. Jobs")
    return (*lists, *jobs)


def _unknown(
    hook: Hook, noun: str, named: Iterable[tuple[str, int]], there: Iterable[str], remedy: str
) -> Iterator[Problem]:
    known = sorted(there)
    shown = ", ".join(known[:SHOWN_MAX]) or "none"
    for name, line in named:
        if name not in known:
            yield Problem(hook.file, line, f"there is no {noun} {name!r}{meant(name, known)}", f"{remedy}: {shown}.")


def _present(files: Collection[str]) -> list[str]:
    """Names of the hooks that *files* are: points first, then jobs, events and placements."""
    others = [
        file.removesuffix(".py")
        for folder, pattern in NAMES.items()
        for file in sorted(files)
        if file.startswith(f"{folder}/") and pattern.fullmatch(Path(file).stem)
    ]
    return [name for name in POINTS if f"{name}.py" in files] + others


def _job_names(names: Iterable[str]) -> list[str]:
    return [name.removeprefix(f"{JOBS}/") for name in names if kind_of(name) == "job"]


@dataclass(frozen=True, slots=True)
class _Beside:
    """What stands beside a hook for its use: all lib files and templates of the site, name → source."""

    libs: Mapping[str, str]
    templates: Mapping[str, str]


def _beside(files: Mapping[str, str]) -> _Beside:
    libs = {Path(file).stem: source for file, source in files.items() if file.startswith(f"{LIB}/")}
    templates = {Path(file).name: source for file, source in files.items() if file.startswith(f"{TEMPLATES}/")}
    return _Beside(libs, templates)


def _pending(name: str) -> Problem:
    return Problem(f"{name}.py", 0, "is being checked.", "Ask again in a moment.")


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    """Set *name*, or remove it where the value is None."""
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value


def _is_same(hook: Hook, source: str, beside: _Beside) -> bool:
    return (
        hook.source == source
        and all(beside.libs.get(name) == text for name, text in hook.libs.items())
        and all(beside.templates.get(name) == text for name, text in hook.templates.items())
    )


def _digest(name: str, source: str, libs: Mapping[str, str], templates: Mapping[str, str]) -> str:
    parts = [name, source, *(part for name in sorted(libs) for part in (name, libs[name]))]
    parts += [part for name in sorted(templates) for part in (f"{TEMPLATES}/{name}", templates[name])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read_all(directory: Path, stamps: Iterable[str]) -> tuple[dict[str, str], dict[str, Problem]]:
    files: dict[str, str] = {}
    unreadable: dict[str, Problem] = {}
    for file in sorted(stamps):
        if file.startswith(f"{LISTS}/"):
            continue
        try:
            files[file] = read_source(directory, file)
        except LoadError as error:
            unreadable[file] = error.problems[0]
    return files, unreadable


def _settings(text: str | None, old: Snapshot) -> tuple[Mapping[str, Mapping[str, Any]], tuple[Problem, ...]]:
    if text is None:
        return {}, ()
    try:
        tables = _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a plain ValueError
        remedy = "The settings before this edit stay in force." if old.settings else "Hooks run without settings."
        return old.settings, (Problem(SETTINGS_FILE, 0, f"is no TOML: {error}.", remedy),)
    nested = {folder: tables.pop(folder, {}) for folder in KINDS}
    problems = [
        Problem(SETTINGS_FILE, 0, f"[{name}] is no point{meant(name, POINTS)}", f"[{ALL_HOOKS}] is for all hooks.")
        if isinstance(table, dict)
        else Problem(
            SETTINGS_FILE, 0, f"{name} stands outside of any table.", f"Put it under [{ALL_HOOKS}] or a point."
        )
        for name, table in tables.items()
        if not isinstance(table, dict) or (name not in POINTS and name != ALL_HOOKS)
    ]
    for folder, own in nested.items():
        if isinstance(own, dict) and all(isinstance(table, dict) for table in own.values()):
            tables |= {f"{folder}/{name}": table for name, table in own.items()}
        else:
            what = f"[{folder}] has tables only."
            problems.append(Problem(SETTINGS_FILE, 0, what, f"Write [{folder}.NAME] for {_MEANT[folder]}."))
    common = tables.get(ALL_HOOKS, {})
    common = common if isinstance(common, dict) else {}
    merged = {name: {**common, **table} for name, table in tables.items() if isinstance(table, dict)}
    return merged | {ALL_HOOKS: common}, tuple(problems)


def _plain(value: Any) -> Any:
    """TOML's dates and times become ISO strings, so that settings are JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _strangers(files: Iterable[str]) -> Iterable[Problem]:
    for file in files:
        name = Path(file).stem
        folder = file.partition("/")[0]
        if folder in NAMES and not NAMES[folder].fullmatch(name):
            what = f"{name} is no name of {_MEANT[folder]}."
            yield Problem(file, 0, what, "Write it in a-z, 0-9 and _; a letter comes first.")
        if "/" in file or file == SETTINGS_FILE or name in POINTS:
            continue
        if name in ALIASES:
            yield Problem(file, 0, f"{name} is an old name.", f"Call the file and its function {ALIASES[name]}.")
        else:
            remedy = f"A hook's file has its point's name{meant(name, POINTS)}; shared code goes to {LIB}/."
            yield Problem(file, 0, f"{name} is no point.", remedy)
