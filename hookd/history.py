"""
What the journal holds, for commands: found, shown, and taken as requests again.

The server may write at the same time; whoever reads sees what was committed, and holds up nobody.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from sqlalchemy import ColumnElement, Select, func, select

from hookd.documents import Json
from hookd.errors import UsageError
from hookd.journal import NAME, RUNS, TABLES, at
from hookd.pseudonyms import KEY_NAME, Pseudonyms
from hookd.settings import Settings
from hookd.storage import Database

SHOWN_IDS = 5  # of the runs that a short id may mean
_ID_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which runs are looked for; "" and None mean all.

    Attributes:
        call: The linkedid.
        since: The earliest.
    """

    site: str = ""
    point: str = ""
    outcome: str = ""
    reason: str = ""
    call: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One run as the list shows it; *number* counts in the order of writing."""

    number: int
    id: str
    site: str
    point: str
    outcome: str
    reason: str
    linkedid: str
    ms: float
    error: str

    @property
    def at(self) -> datetime:
        """When it began."""
        return at(self.id)


_ENTRY = tuple(RUNS.c[name] for name in Entry.__dataclass_fields__)


class History:
    """
    The journal of an installation, to read.

    Raises:
        UsageError: There is none yet.
        StorageError: It cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        path = settings.state / NAME
        if not path.exists():
            raise UsageError(f"{path}: there is no journal; `hookd serve` writes it{_off(settings)}")
        self._settings = settings
        self._database = Database(settings.state, NAME, TABLES, is_durable=False)

    def __enter__(self) -> "History":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def latest(self, wanted: Wanted, limit: int) -> list[Entry]:
        """
        Return the last *limit* runs that are *wanted*, the newest last.
        """
        return self._entries(self._chosen(wanted).order_by(RUNS.c.id.desc()).limit(limit))[::-1]

    def written(self, wanted: Wanted, after: int, until: int) -> list[Entry]:
        """
        Return the runs that are *wanted* and were written after the one with the number *after*, in that order.
        """
        numbers = RUNS.c.number.between(after + 1, until)
        return self._entries(self._chosen(wanted).where(numbers).order_by(RUNS.c.number))

    def documents(self, wanted: Wanted, limit: int) -> list[dict[str, Json]]:
        """
        Return the last *limit* runs that are *wanted* as the journal keeps them, the newest last.
        """
        newest = self._chosen(wanted).with_only_columns(RUNS.c.document).order_by(RUNS.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [json.loads(document) for document in connection.scalars(newest)][::-1]

    def last(self, site: str) -> dict[str, Entry]:
        """
        Return the last run of each hook of *site*, by its point.
        """
        mine = RUNS.c.site == site
        newest = select(func.max(RUNS.c.id)).where(mine).group_by(RUNS.c.point)
        return {entry.point: entry for entry in self._entries(select(*_ENTRY).where(RUNS.c.id.in_(newest)))}

    def last_number(self) -> int:
        """
        Return the number of the run that was written last; 0 where there is none.
        """
        with self._database.read() as connection:
            return connection.scalar(select(func.max(RUNS.c.number))) or 0

    def get(self, beginning: str) -> dict[str, Json]:
        """
        Return the run whose id begins so, as the journal keeps it.

        Raises:
            UsageError: No run does, or several do.
        """
        is_id = len(beginning) >= 1 and _ID_DIGITS.issuperset(beginning)
        with self._database.read() as connection:
            mine = RUNS.c.id.between(beginning, beginning + "g") if is_id else RUNS.c.id == beginning
            rows = connection.execute(select(RUNS.c.id, RUNS.c.document).where(mine).limit(SHOWN_IDS + 1)).all()
        if not rows:
            raise UsageError(f"there is no run {beginning!r}; {self.extent()}")
        if len(rows) > 1:
            ids = ", ".join(row.id for row in rows[:SHOWN_IDS]) + ("…" if len(rows) > SHOWN_IDS else "")
            raise UsageError(f"several runs begin with {beginning!r}: {ids}")
        found: dict[str, Json] = json.loads(rows[0].document)
        return found

    def extent(self) -> str:
        """
        Return how much there is, and of when, as the end of a sentence.
        """
        with self._database.read() as connection:
            ids = RUNS.c.id
            runs, first, last = connection.execute(select(func.count(), func.min(ids), func.max(ids))).one()
        if not runs:
            return f"the journal is empty{_off(self._settings)}"
        return (
            f"the journal has {runs}, from {first} ({at(first):%Y-%m-%d %H:%M} UTC) to {last} "
            f"({at(last):%Y-%m-%d %H:%M} UTC){_off(self._settings)}"
        )

    def _chosen(self, wanted: Wanted) -> Select[tuple[Json, ...]]:
        conditions: list[ColumnElement[bool]] = [
            RUNS.c[name] == value for name in ("site", "point", "outcome", "reason") if (value := getattr(wanted, name))
        ]
        if wanted.call:  # most linkedids hold no number; one that does was written under another
            conditions.append(RUNS.c.linkedid.in_((wanted.call, self._pseudonym(wanted.call))))
        if wanted.since:
            conditions.append(RUNS.c.id >= f"{int(wanted.since.timestamp() * 1000):012x}")
        return select(*_ENTRY).where(*conditions)

    def _pseudonym(self, text: str) -> str:
        try:
            return Pseudonyms((self._settings.state / KEY_NAME).read_bytes()).text(text)
        except OSError:  # whoever may not read the key looks for texts without numbers
            return text

    def _entries(self, statement: Select[tuple[Json, ...]]) -> list[Entry]:
        with self._database.read() as connection:
            return [Entry(**row) for row in connection.execute(statement).mappings()]


def _off(settings: Settings) -> str:
    """The end of a sentence that misses runs: whether they are not recorded."""
    off = [name for name, chosen in settings.site.points.items() if chosen.record == "off"]
    if settings.site.record == "off":
        return '; record = "off" under [site], so the default site\'s runs are not recorded'
    return f'; record = "off" at {", ".join(off)}' if off else ""
