"""
A compiled hook or lib file, and what is known of it without running it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from hookd.errors import Problem

Json = Any


@dataclass(frozen=True, slots=True)
class Function:
    """
    A function at the top of a file.

    Attributes:
        line: Of its `def`.
        parameters: The plain ones: by position or name, without a default.
        odd: What else stands among the parameters, as written: "*args", "**rest", "x=1", "*", "/".
        mutates: Parameters into which it assigns or deletes items: `request["X"] = 1`.
        has_return: Whether it returns a value anywhere.
        settings_keys: (key, line) of each `settings["key"]`.
        list_names: (name, line) of each `lists.contains("name", …)` and `lists.lookup("name", …)`.
        job_names: (name, line) of each `jobs.enqueue("name", …)`.
        legacy_keys: (key, line) of each `request["call"]` or `request.get("conversation")`: keys that connectors
            from 3.13 on do not send.
        returned_keys: (key, line) of each literal key in a dict that it returns as written, but for keys that it reads
            from the request.
        returned_values: (value, line) of each literal that it returns and that is no dict.
    """

    name: str
    line: int
    parameters: tuple[str, ...]
    odd: tuple[str, ...]
    mutates: frozenset[str]
    has_return: bool
    settings_keys: tuple[tuple[str, int], ...]
    legacy_keys: tuple[tuple[str, int], ...]
    list_names: tuple[tuple[str, int], ...] = ()
    job_names: tuple[tuple[str, int], ...] = ()
    returned_keys: tuple[tuple[str, int], ...] = ()
    returned_values: tuple[tuple[Json, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """
    A compiled file; immutable, executed as often as there are runs.

    Attributes:
        file: Path as the integrator knows it, relative to the hooks directory; the file name of its code objects.
        functions: Those at the top of the file, by name.
        lib_imports: Names of the lib files that it imports, without "lib.", in order of appearance.
        lib_names: (lib file, name in it or "", line) of each import from lib.
        names: What is bound at the top of the file.
        warnings: What is legal, but hardly meant.
        templates: (name, line, whether it is the page's) of each text that names a template.
        source: The text, to quote from where something goes wrong.
    """

    file: str
    code: CodeType
    functions: Mapping[str, Function]
    lib_imports: tuple[str, ...]
    warnings: tuple[Problem, ...]
    lib_names: tuple[tuple[str, str, int], ...] = ()
    names: frozenset[str] = frozenset()
    templates: tuple[tuple[str, int, bool], ...] = ()
    source: str = field(default="", repr=False)
