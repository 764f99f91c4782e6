"""
What is wrong between files: imports from hooks/lib that would fail when a call comes to them.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from hookd.errors import Problem
from hookd.sandbox.language.module import Module


def lib_problems(modules: Iterable[Module], libs: Mapping[str, Module]) -> list[Problem]:
    """
    Return each import of a lib file, or of a name in one, that there is not, sorted by file and line.

    Args:
        modules: The files to look through; lib files themselves too.
        libs: All lib files of the site by name ("numbers" for lib/numbers.py).
    """
    found = (problem for module in modules for problem in _problems(module, libs))
    return sorted(set(found), key=lambda problem: (problem.file, problem.line))


def _problems(module: Module, libs: Mapping[str, Module]) -> Iterable[Problem]:
    for lib, name, line in module.lib_names:
        if lib not in libs:
            there = ", ".join(f"lib.{known}" for known in sorted(libs)) or "no files"
            yield Problem(
                module.file,
                line,
                f"import lib.{lib}: there is no file lib/{lib}.py.",
                f"{_question(lib, libs)}There are: {there}.",
            )
        elif name and name not in libs[lib].names:
            there = ", ".join(sorted(known for known in libs[lib].names if not known.startswith("_"))) or "nothing"
            yield Problem(
                module.file,
                line,
                f"from lib.{lib} import {name}: there is no {name}.",
                f"{_question(name, libs[lib].names)}lib.{lib} offers: {there}.",
            )


def _question(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}? " if near else ""
