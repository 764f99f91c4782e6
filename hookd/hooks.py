"""
A hook, and what a site's hooks are at one moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hookd.errors import Problem
from hookd.points import EVENTS, JOBS, PLACEMENTS, kind_of

SETTINGS_FILE = "settings.toml"
LIB = "lib"
TEMPLATES, TEMPLATE_SUFFIX = "templates", ".html"
# Directory → what a hook there is for, in a sentence.
KIND_IN_WORDS: Mapping[str, str] = MappingProxyType({JOBS: "a job", EVENTS: "an event", PLACEMENTS: "a placement"})


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
        returned_keys: The keys that it returns literally, with the line.
        returned_values: The literals that it returns and that are no dict, with the line.
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
    returned_keys: tuple[tuple[str, int], ...] = ()
    returned_values: tuple[tuple[Any, int], ...] = ()


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
