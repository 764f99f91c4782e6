"""
What commands print, and how they exit: results on standard output, problems on standard error, one a line.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo
from pathlib import Path

from hookd.documents import Json
from hookd.errors import Problem

OK, YOURS_IS_WRONG, USAGE = 0, 1, 2


def print_json(document: Json) -> None:
    """Print *document* for people and programs alike."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* with their columns aligned; the last column is as wide as it is."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_made(files: Sequence[str], commands: Sequence[str], shape: str) -> None:
    """Print the *files* that were made and the *commands* that come next; *shape* is what --format says."""
    if shape == "json":
        print_json({"files": files, "next": commands})
    else:
        print("\n".join(files), "Next:", *(f"  {command}" for command in commands), sep="\n")


def moment(at: datetime, zone: tzinfo) -> str:
    """Return a time as every list of a command shows it: to the second, in *zone*."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def complain(line: object) -> None:
    """Print one problem."""
    print(line, file=sys.stderr)


def shown(path: Path) -> str:
    """Return *path* as it is reached from the working directory, where it lies below."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def located(problem: Problem, directory: Path) -> Problem:
    """Return *problem*, whose file is relative to *directory*, with the file as an editor finds it from here."""
    return Problem(shown(directory / problem.file), problem.line, problem.message, problem.remedy)


def problem_document(problem: Problem) -> dict[str, Json]:
    """Return *problem* for `--format json`."""
    return asdict(problem)
