"""
Everything that is wrong or odd in a site's hooks, found without running one: what `hookd check` tells.

Hooks are compiled in a worker, as the server does it, and their module bodies are executed there. Beside them: the
settings, files that are no hooks, lib files that nobody imports, lists that cannot be read, cases that are no cases.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hookd import cases, contract
from hookd.documents import pointer
from hookd.errors import Problem, UsageError
from hookd.hook_settings import settings_of, settings_warnings, unread_settings
from hookd.hooks import LIB, SETTINGS_FILE, TEMPLATE_SUFFIX, TEMPLATES, Hook
from hookd.points import EVENTS, KINDS, POINTS, Unchanged
from hookd.portal import codes
from hookd.sites import Site
from hookd.tools import lists


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that is wrong or odd.

    Attributes:
        subject: The file that was being looked at: a hook's own, where the fault is in a lib that it uses.
        is_warning: Whether it is legal.
    """

    subject: str
    problem: Problem
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """
    What was found in a site's hooks directory.

    Attributes:
        hooks: Those that can be used.
        broken: Names of the others.
        findings: Problems and warnings, each once.
    """

    site: Site
    hooks: tuple[Hook, ...]
    broken: tuple[str, ...]
    findings: tuple[Finding, ...]


def review(site: Site) -> Review:
    """
    Return what is to be said of *site*'s hooks as they were loaded.
    """
    snapshot = site.hooks.snapshot
    found = [*_broken(snapshot.broken), *_odd(site)]
    found += [Finding(problem.file, problem) for problem in snapshot.problems]
    found += [Finding(problem.file, problem) for problem in cases.read(site.hooks.directory / cases.FOLDER)[1]]
    found += [Finding(problem.file, problem) for problem in lists.problems(site.hooks.directory)]
    if not snapshot.broken:  # of a broken hook nobody knows what it uses
        found += _unused(site.hooks.directory, snapshot.hooks.values())
    once = {(finding.problem, finding.is_warning): finding for finding in reversed(found)}
    return Review(site, tuple(snapshot.hooks.values()), tuple(snapshot.broken), tuple(reversed(once.values())))


def select(reviews: Iterable[Review], paths: Iterable[Path]) -> list[Review]:
    """
    Return what *reviews* say of the files and directories *paths*, and of the hooks that use them.

    Raises:
        UsageError: One of them is not there, or is nothing that hookd reads in any of the sites.
    """
    chosen, left = [], {path: _real(path) for path in paths}
    for one in reviews:
        base = Path(os.path.realpath(one.site.hooks.directory))
        found = {path for path, real in left.items() if real.is_relative_to(base) and _is_read(real, base)}
        if found:
            chosen.append(_only(one, {left.pop(path).relative_to(base).as_posix() for path in found}))
    if left:
        raise UsageError("\n".join(map(_stranger, left)))
    return chosen


def _only(found: Review, wanted: set[str]) -> Review:
    def has(file: str) -> bool:
        return "." in wanted or any(file == one or file.startswith(f"{one}/") for one in wanted)

    hooks = tuple(hook for hook in found.hooks if any(map(has, (hook.file, *(_lib(name) for name in hook.libs)))))
    used = {hook.file for hook in hooks}
    findings = tuple(one for one in found.findings if has(one.problem.file) or has(one.subject) or one.subject in used)
    broken = tuple(name for name in found.broken if any(one.subject == f"{name}.py" for one in findings))
    return Review(found.site, hooks, broken, findings)


def _real(path: Path) -> Path:
    # A hook may be a link: mounted directories swap them. What counts is where the link is.
    real = os.path.realpath(path) if path.is_dir() else os.path.join(os.path.realpath(path.parent), path.name)
    return Path(real)


def _is_read(path: Path, base: Path) -> bool:
    if path.is_dir():
        return True
    folder, _, name = path.relative_to(base).as_posix().rpartition("/")
    if folder == cases.FOLDER or folder.startswith(f"{cases.FOLDER}/"):
        return path.is_file() and name.endswith(".json")
    if folder == lists.FOLDER:
        return path.is_file() and name.endswith(lists.SUFFIXES)
    if folder == TEMPLATES:
        return path.is_file() and name.endswith(TEMPLATE_SUFFIX)
    is_source = name.endswith(".py") and folder in ("", LIB, *KINDS)
    return path.is_file() and (is_source or path == base / SETTINGS_FILE)


def _stranger(path: Path) -> str:
    if not path.exists():
        return f"{path}: there is no such file"
    return f"{path}: is no hook, lib file, list, case or {SETTINGS_FILE} in the hooks directory of a site"


def _lib(name: str) -> str:
    return f"{LIB}/{name}.py"


def _broken(broken: Mapping[str, tuple[Problem, ...]]) -> Iterator[Finding]:
    for name, problems in broken.items():
        for problem in problems:
            yield Finding(f"{name}.py", problem)


def _odd(site: Site) -> Iterator[Finding]:
    snapshot = site.hooks.snapshot
    for hook in snapshot.hooks.values():
        missing = settings_warnings(hook, settings_of(snapshot, hook.name))
        unread = unread_settings(hook, snapshot)
        for warning in (*hook.warnings, *_wrong_replies(hook), *missing, *unread, *_unknown_event(hook)):
            yield Finding(hook.file, warning, is_warning=True)


def _wrong_replies(hook: Hook) -> Iterator[Problem]:
    """A warning for each literal key or value that the hook returns and that no reply of its point can have."""
    point = POINTS.get(hook.name)
    if point is None or point.unchanged is Unchanged.NOTHING:
        return
    for key, line in hook.returned_keys:
        if wrong := contract.no_such_key(point, key):
            yield Problem(hook.file, line, f"reply {pointer((key,))}: {wrong}")
    for value, line in hook.returned_values:
        what = f"this returns {contract.in_python(value)}, which is {contract.kind(value)}."
        yield Problem(hook.file, line, what, contract.instead_of(point, value))


def _unknown_event(hook: Hook) -> Iterator[Problem]:
    if hook.kind == "event" and (said := codes.unknown_event(hook.name.removeprefix(f"{EVENTS}/"))):
        yield Problem(hook.file, 0, *said)


def _unused(directory: Path, hooks: Iterable[Hook]) -> Iterator[Finding]:
    used = {lib for hook in hooks for lib in hook.libs}
    for path in sorted((directory / LIB).glob("*.py")):
        if path.stem not in used:
            file = _lib(path.stem)
            problem = Problem(file, 0, "no hook imports this, so it was not checked.", "Import it, or delete it.")
            yield Finding(file, problem, is_warning=True)
    shown = {name for hook in hooks for name in hook.templates}
    for path in sorted((directory / TEMPLATES).glob(f"*{TEMPLATE_SUFFIX}")):
        if path.name not in shown:
            file = f"{TEMPLATES}/{path.name}"
            problem = Problem(file, 0, "no hook shows this, so it was not checked.", "Name it in a hook, or delete it.")
            yield Finding(file, problem, is_warning=True)
