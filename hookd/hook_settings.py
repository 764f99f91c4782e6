"""
settings.toml beside the hooks: a table for each hook, one for all, and what is odd about them.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookd.errors import LoadError, Problem
from hookd.hooks import KIND_IN_WORDS, SETTINGS_FILE, Hook, Snapshot
from hookd.names import meant
from hookd.points import KINDS, PLACEMENTS, POINTS, table_of
from hookd.sources import read_source

TITLE = "title"  # of a placement: what its button or tab says; the portal reads it, not the hook
ALL_HOOKS = "all"  # the table of settings.toml that every hook gets

Tables = Mapping[str, Mapping[str, Any]]


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
        tables, _ = read_tables(read_source(directory, SETTINGS_FILE), Snapshot())
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


def read_tables(text: str | None, old: Snapshot) -> tuple[Tables, tuple[Problem, ...]]:
    """
    Return the settings of hooks in *text*, by name, and what is wrong with them; those of *old* where it is no TOML.

    Args:
        text: Of settings.toml; None where there is none.
    """
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
            problems.append(Problem(SETTINGS_FILE, 0, what, f"Write [{folder}.NAME] for {KIND_IN_WORDS[folder]}."))
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
