"""
`lists`: tables that people keep, in hooks/lists/*.txt and *.csv of the site.

A text file has a number or a name a line; a CSV file has them in its first column, under a line of headers. Which
numbers are the same is what `phones` says: +79001234567 is 8 900 123-45-67, *97 is not 97. A file is read when it is
first asked for, and again when it has changed; it is never looked at in full for one number, however long it is.
"""

import csv
import io
import os
import re
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hookd.errors import ToolFailedError
from hookd.sandbox.pure.phones import Phones, tail
from hookd.tools.call import Call, Ground, Json, Method

FOLDER = "lists"  # below the hooks directory
MAX_BYTES = 16 * 1024 * 1024  # of one list: a million numbers
SUFFIXES = (".txt", ".csv")

_NAME = re.compile(r"[^\W_][\w-]{0,99}")
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$")  # "#" alone is a key of telephones: #31#
_SHOWN_MAX = 20
_CACHED_MAX = 200  # lists of all sites of a process

Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """
    A list that was read.

    Attributes:
        by_tail: The last keys of a number → (key, index) of the lines that end so, in order.
        rows: What stands beside the keys: text, or a dict by header; None where the list has keys only.
    """

    stamp: Stamp
    by_tail: Mapping[str, list[tuple[str, int]]]
    rows: list[Json] | None


class Lists:
    """
    The lists of all sites, as far as they were asked for.
    """

    def __init__(self) -> None:
        self._tables: dict[Path, Table] = {}
        self._phones: dict[tuple[str, str], Phones] = {}
        self._lock = threading.Lock()  # of both dicts; a list that two threads want is read twice, once in a while

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        return {
            "contains": Method(self._contains, _summary, is_acting=False),
            "lookup": Method(self._lookup, _summary, is_acting=False),
        }

    def _contains(self, call: Call) -> bool:
        return self._find(self._table(call), call.site, call.arguments["number"]) is not None

    def _lookup(self, call: Call) -> Json:
        table = self._table(call)
        if table.rows is None:
            name = call.arguments["name"]
            raise ToolFailedError(
                f"lists.lookup: the list {name} has keys and no values.",
                f"Write lists.contains({name!r}, …), or make it a {name}.csv with a second column.",
            )
        found = self._find(table, call.site, call.arguments["key"])
        return call.arguments["default"] if found is None else table.rows[found]

    def _find(self, table: Table, site: Ground, number: Json) -> int | None:
        """The index of *number*: of the line that is written so, else of the first that is the same number."""
        if number is None:
            return None
        phones = self._phones_of(site)
        lines = table.by_tail.get(tail(number), ())
        text = str(number).strip()
        exact = next((index for key, index in lines if key == text), None)
        if exact is not None:
            return exact
        return next((index for key, index in lines if phones.same(key, text)), None)

    def _phones_of(self, site: Ground) -> Phones:
        plan = site.settings.region, site.settings.area_code
        with self._lock:
            return self._phones.setdefault(plan, Phones(*plan))

    def _table(self, call: Call) -> Table:
        path = _path(call)
        try:
            stamp = _stamp(path)
            with self._lock:
                known = self._tables.get(path)
            if known and known.stamp == stamp:
                return known
            table = _read(path, stamp)
        except OSError as error:
            raise ToolFailedError(
                f"{call.name}: {FOLDER}/{path.name} cannot be read: {error.strerror}.", "hookd's user must be able to."
            ) from error
        with self._lock:
            if len(self._tables) >= _CACHED_MAX:
                self._tables.clear()
            self._tables[path] = table
        return table


def names(hooks: Path) -> dict[str, list[str]]:
    """
    Return the lists below the hooks directory *hooks*: name → its files, of which there should be one.

    Raises:
        OSError: The directory is there, but cannot be looked at.
    """
    found: dict[str, list[str]] = {}
    try:
        entries = sorted(os.listdir(hooks / FOLDER))
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in entries:
        name, suffix = os.path.splitext(entry)
        if suffix in SUFFIXES and _NAME.fullmatch(name):
            found.setdefault(name, []).append(entry)
    return found


def _summary(arguments: Mapping[str, Json]) -> str:
    return str(arguments["name"])


def _path(call: Call) -> Path:
    name = call.arguments["name"]
    known = names(call.site.hooks)
    files = known.get(name, [])
    if len(files) == 1:
        return call.site.hooks / FOLDER / files[0]
    if files:
        raise ToolFailedError(
            f"{call.name}: there are two lists {name}: {' and '.join(files)}.", "Remove one, or give it another name."
        )
    near = get_close_matches(name, known, n=1)
    question = f"; did you mean {near[0]}?" if near else "."
    there = ", ".join(sorted(known)[:_SHOWN_MAX]) or "none"
    more = f" and {len(known) - _SHOWN_MAX} more" if len(known) > _SHOWN_MAX else ""
    raise ToolFailedError(
        f"{call.name}: there is no list {name}{question}",
        f"It is a file hooks/{FOLDER}/NAME.txt or NAME.csv. Lists: {there}{more}.",
    )


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino


def _read(path: Path, stamp: Stamp) -> Table:
    text = _text(path)
    keys, rows = _csv(path, text) if path.suffix == ".csv" else (_lines(text), None)
    by_tail: dict[str, list[tuple[str, int]]] = {}
    for index, key in enumerate(keys):
        if key:
            by_tail.setdefault(tail(key), []).append((key, index))
    return Table(stamp, by_tail, rows)


def _text(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ToolFailedError(f"{FOLDER}/{path.name} is not a regular file.", "Put the list's text here.")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ToolFailedError(f"{FOLDER}/{path.name} is longer than {MAX_BYTES} bytes.", "Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ToolFailedError(
            f"{FOLDER}/{path.name}:{line} is not UTF-8.", 'Save it as UTF-8; in a spreadsheet as "CSV UTF-8".'
        ) from error


def _lines(text: str) -> list[str]:
    return [_COMMENT.sub("", line).strip() for line in text.splitlines()]


def _csv(path: Path, text: str) -> tuple[list[str], list[Json]]:
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=head.count)  # spreadsheets write ; where the comma is the decimal point
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(line)]
    except csv.Error as error:
        raise ToolFailedError(
            f"{FOLDER}/{path.name} is no CSV: {error}.", "Quotes are doubled inside of quotes."
        ) from error
    if not lines or len(lines[0]) < 2:
        raise ToolFailedError(
            f"{FOLDER}/{path.name} has fewer than two columns.",
            "Its first line names the columns, with commas between; numbers alone are a .txt.",
        )
    headers = [header.strip() for header in lines[0]]
    keys = [line[0].strip() for line in lines[1:]]
    return keys, [_row(headers, [cell.strip() for cell in line]) for line in lines[1:]]


def _row(headers: list[str], cells: list[str]) -> Json:
    cells += [""] * (len(headers) - len(cells))
    return cells[1] if len(headers) == 2 else dict(zip(headers[1:], cells[1:], strict=False))
