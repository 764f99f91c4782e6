"""
From files to an immutable snapshot of hooks, and back to the last good one.

A site's `hooks/` directory is looked at again and again (stat, no inotify: it fails on mounted directories). A hook
whose text, or that of a lib file it uses, has changed is read (`sources`), compiled and checked in a sandbox worker,
and put into a new snapshot in one assignment; runs that have begun keep the old one. This process never compiles
anything of a hook's.

Sources that were accepted are kept in the state directory (`accepted`). So a broken edit, or a restart on one, leaves
the last good version in force, and says so.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from hookd.accepted import Accepted
from hookd.errors import Problem
from hookd.hook_settings import Tables, read_tables
from hookd.hooks import KIND_IN_WORDS, LIB, SETTINGS_FILE, TEMPLATES, Hook, Snapshot
from hookd.metrics import BROKEN, RELOADS
from hookd.names import meant
from hookd.points import ALIASES, JOBS, NAMES, POINTS, kind_of
from hookd.sources import Stamps, look, read_all
from hookd.tools.lists import FOLDER as LISTS
from hookd.tools.lists import names as list_names

SETTLE_S = 0.05  # a file that changes between two looks is still being written
STORE_AGAIN_S = 20.0  # after accepted sources could not be kept
SETTLE_LOOKS = 6  # then it is read as it is; the next look finds the rest
SHOWN_MAX = 20  # names in a message

Check = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

log = structlog.get_logger("hookd.hooks")


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
        self._store_due: float | None = None  # monotonic time at which it is tried again; None: it is stored
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
            if self._store_due is not None and time.monotonic() >= self._store_due:
                await self._store()
            return
        good_before, is_current = self.snapshot.hooks, True
        if self._stamps is None:
            if self._accepted:
                good_before, settings, is_current = await asyncio.to_thread(self._accepted.load)
                self.snapshot = Snapshot({}, {}, settings)
        else:
            stamps = await self._settled(stamps)
        files, unreadable = await asyncio.to_thread(read_all, self.directory, stamps)
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
        if hooks != good_before or settings != old.settings:
            await self._store()

    async def _store(self) -> None:
        """Keep the hooks as they are now; where that fails, the disk is perhaps full, and it is tried again later."""
        if self._accepted:
            is_stored = await asyncio.to_thread(self._accepted.store, self.snapshot.hooks, self.snapshot.settings)
            self._store_due = None if is_stored else time.monotonic() + STORE_AGAIN_S

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
    ) -> tuple[Tables, tuple[Problem, ...]]:
        others = tuple(problem for file, problem in unreadable.items() if not _present([file]))
        if SETTINGS_FILE in unreadable:
            return self.snapshot.settings, others
        settings, problems = read_tables(files.get(SETTINGS_FILE), self.snapshot)
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
        returned = (tuple((found, line) for found, line in answer[key]) for key in ("returned_keys", "returned_values"))
        return Hook(
            kind, name, file, source, used, digest, keys, tools, lists, jobs, warnings, templates, *returned
        ), ()

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


def _strangers(files: Iterable[str]) -> Iterable[Problem]:
    for file in files:
        name = Path(file).stem
        folder = file.partition("/")[0]
        if folder in NAMES and not NAMES[folder].fullmatch(name):
            what = f"{name} is no name of {KIND_IN_WORDS[folder]}."
            yield Problem(file, 0, what, "Write it in a-z, 0-9 and _; a letter comes first.")
        if "/" in file or file == SETTINGS_FILE or name in POINTS:
            continue
        if name in ALIASES:
            yield Problem(file, 0, f"{name} is an old name.", f"Call the file and its function {ALIASES[name]}.")
        else:
            remedy = f"A hook's file has its point's name{meant(name, POINTS)}; shared code goes to {LIB}/."
            yield Problem(file, 0, f"{name} is no point.", remedy)
