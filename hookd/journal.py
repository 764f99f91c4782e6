"""
The journal: what came in, what went out and why, of every run, until it is too old or there is too much of it.

    event loop: Journal.add → queue → thread: masked, one transaction a batch → runs.sqlite ← `hookd runs`

A reply waits for nothing but an append to the queue. Each HTTP process has its own thread, which takes at most
3 % of a processor's time and lets the event loop go first after every run; where that is not enough, or the disk takes
no more, runs are not kept: that is counted, and said once a minute. The file is bounded: the transaction that adds runs
deletes the oldest ones first, and the pages that they leave are used again.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import structlog
from sqlalchemy import Column, Connection, Float, Integer, MetaData, Table, Text, delete, insert, select

from hookd import documents, metrics
from hookd.documents import Json
from hookd.errors import StorageError
from hookd.pseudonyms import Pseudonyms, read_key
from hookd.runs import Origin, Run, document
from hookd.settings import Settings, SiteSettings
from hookd.sites import Site
from hookd.storage import Database

NAME = "runs.sqlite"
TABLES = MetaData()

RUNS = Table(
    "runs",
    TABLES,
    Column("number", Integer, primary_key=True),  # in the order in which they were written
    Column("id", Text, nullable=False, unique=True),  # ascending in time
    Column("site", Text, nullable=False),
    Column("point", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("linkedid", Text, nullable=False, index=True),
    Column("ms", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("document", Text, nullable=False),
)

BATCH_S = 0.25  # between two looks at the queue: how much later than its reply a run can be read
BATCH_RUNS, BATCH_BYTES = 100, 1024 * 1024  # of one transaction, about
QUEUE_RUNS, QUEUE_BYTES = 1000, 8 * 1024 * 1024  # that wait to be written, and the bytes of their requests
YIELD_S = 0.0001  # after each run: without a sleep the interpreter lets the event loop wait for 5 ms
SHARE = 0.03  # of a processor: what the thread takes at most, some 300 runs a second
PART_BYTES = 65_536  # of a request, a reply, what is printed, …; a longer one is left out
PARTS = ("request", "reply", "warnings", "print", "calls", "raw")
RETRY_S = 60.0  # until a journal that cannot be opened is tried again
SAY_S = 60.0  # between two lines about runs that were not kept
TRIM_S = 60.0  # between two looks for old runs where no new ones come
TRIM_RUNS, TRIM_STEPS = 64, 32  # deleted in one statement; statements of one transaction
CLOSE_S = 3.0  # to write what is left when hookd stops
KNOWN_SITES = 64  # whose pseudonyms are at hand

log = structlog.get_logger("hookd.journal")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A run that is to be written: its request as it came, since bytes are no work for the garbage collector."""

    run: Run
    settings: SiteSettings
    body: bytes
    raw: Origin | None


class Journal:
    """
    The journal as one HTTP process writes it.
    """

    def __init__(self, settings: Settings) -> None:
        self._queue: deque[_Waiting] = deque()
        self._bytes_in = self._bytes_out = 0  # that came to the queue, and left it: each is counted by one thread
        self._refused = 0
        self._stopping = threading.Event()
        self._writer = _Writer(settings)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """
        Start the thread that writes: in the process that serves, not in the one that it is forked from.
        """
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def add(self, run: Run, site: Site, request: Json, origin: Origin | None) -> None:
        """
        Have *run* written down if its site and point want that and there is room; returns at once.

        Args:
            request: The document that the run is about.
            origin: What it came with; None where it did not come by HTTP.
        """
        chosen = site.settings.points.get(run.point)
        record = (chosen and chosen.record) or site.settings.record
        if record == "off":
            return
        if len(self._queue) >= QUEUE_RUNS or self._bytes_in - self._bytes_out >= QUEUE_BYTES:
            self._refused += 1  # the thread counts them where all see it
            return
        body = origin.body if origin else documents.dump(request)
        self._bytes_in += len(body)
        self._queue.append(_Waiting(run, site.settings, body, origin if record == "raw" else None))

    def close(self) -> None:
        """
        Write what is left, within reason, and end the thread.
        """
        self._stopping.set()
        if self._thread:
            self._thread.join(CLOSE_S)

    # ---- in the thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(BATCH_S)
            try:
                self._write()
            except Exception:
                log.exception("journal_failed")  # the next batch may be written
        self._writer.close()

    def _write(self) -> None:
        while self._queue:
            with self._paced():
                rows = self._rows()
                if rows:
                    self._writer.write(rows)
            self._writer.tell(self._refused)
        self._writer.look_after()
        self._writer.tell(self._refused)

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        size = 0
        while self._queue and len(rows) < BATCH_RUNS and size < BATCH_BYTES:
            waiting = self._queue.popleft()
            self._bytes_out += len(waiting.body)
            row = self._writer.row(waiting)
            if row:
                rows.append(row)
                size += len(row["document"])
            time.sleep(YIELD_S)
        return rows

    @contextlib.contextmanager
    def _paced(self) -> Iterator[None]:
        """Sleep after the work, so long that it took no more than its share; not where hookd is stopping."""
        started = time.thread_time()
        yield
        self._stopping.wait((time.thread_time() - started) * (1 / SHARE - 1))


class _Writer:
    """
    The thread's side: pseudonyms, the database, and what was lost. It raises nothing that a disk can do.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._max_bytes = settings.journal_mb * 1024 * 1024
        self._database: Database | None = None
        self._key: bytes | None = None
        self._pseudonyms: dict[tuple[str, tuple[str, ...]], Pseudonyms] = {}
        self._next_try = self._next_trim = self._next_word = 0.0  # monotonic times
        self._lost = self._refused = self._said = 0
        self._fault = ""

    def row(self, waiting: _Waiting) -> dict[str, Any] | None:
        """
        Return the row of a run; None where it cannot be kept.
        """
        if not self._is_open():
            self._lose(1)
            return None
        try:
            return _row(waiting, self._masks(waiting.settings))
        except Exception:
            log.exception("run_not_recorded", run=waiting.run.run_id)
            metrics.LOST_RUNS.labels("internal").inc()
            return None

    def write(self, rows: list[dict[str, Any]]) -> None:
        """
        Add *rows*, in the place of old ones where there are too many.
        """
        database = self._database
        if database is None:
            return
        try:
            if database.is_held_up():
                raise StorageError(f"{database.path}: a program that reads it does not end. See fuser -v FILE.")
            with database.write() as connection:
                self._trim(database, connection, sum(len(row["document"]) for row in rows))
                connection.execute(insert(RUNS), rows)
        except StorageError as error:
            self._fault = str(error)
            self._lose(len(rows))

    def look_after(self) -> None:
        """
        Open the journal, and delete what is too old, also where no runs come.
        """
        if time.monotonic() < self._next_trim or not self._is_open() or self._database is None:
            return
        self._next_trim = time.monotonic() + TRIM_S
        try:
            with self._database.write() as connection:
                self._trim(self._database, connection, 0)
        except StorageError as error:
            log.warning("journal_not_trimmed", error=str(error))

    def tell(self, refused: int) -> None:
        """
        Count the runs that the queue *refused* so far, and log how many were not kept, if it was not said just now.
        """
        if refused > self._refused:
            metrics.LOST_RUNS.labels("queue").inc(refused - self._refused)
            self._refused = refused
        lost = self._lost + refused - self._said
        if not lost or time.monotonic() < self._next_word:
            return
        self._next_word = time.monotonic() + SAY_S
        self._said += lost
        fault, self._fault = self._fault, ""
        log.error("runs_not_recorded", runs=lost, error=fault or "more runs at once than can be written down")

    def close(self) -> None:
        """Close the database."""
        if self._database:
            self._database.close()

    def _is_open(self) -> bool:
        if self._database is None and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + RETRY_S
            try:
                self._key = read_key(self._settings.state)
                self._database = Database(self._settings.state, NAME, TABLES, is_durable=False)
            except StorageError as error:
                log.error("journal_unusable", error=str(error), keeps="calls are answered, and not recorded")
                self._fault = str(error)
        return self._database is not None

    def _masks(self, settings: SiteSettings) -> Pseudonyms:
        kind = (settings.record_phones, settings.tokens)
        if kind not in self._pseudonyms:
            if len(self._pseudonyms) >= KNOWN_SITES:
                self._pseudonyms.clear()
            tokens = (*settings.tokens, *self._settings.operator_tokens)
            self._pseudonyms[kind] = Pseudonyms(self._key if settings.record_phones == "masked" else None, tokens)
        return self._pseudonyms[kind]

    def _trim(self, database: Database, connection: Connection, coming_bytes: int) -> None:
        """Delete what is too old, and as much of the oldest as makes room; in small steps, not all at once."""
        oldest = f"{int(time.time() - self._settings.journal_days * 86400) * 1000:012x}"
        ordered = select(RUNS.c.number).order_by(RUNS.c.number).limit(TRIM_RUNS)
        connection.execute(delete(RUNS).where(RUNS.c.number.in_(ordered.where(RUNS.c.id < oldest))))
        for _ in range(TRIM_STEPS):
            if database.used_bytes(connection) + coming_bytes <= self._max_bytes:
                break
            if not connection.execute(delete(RUNS).where(RUNS.c.number.in_(ordered))).rowcount:
                break
        database.give_back(connection)

    def _lose(self, runs: int) -> None:
        self._lost += runs
        metrics.LOST_RUNS.labels("storage").inc(runs)


def _row(waiting: _Waiting, masks: Pseudonyms) -> dict[str, Any]:
    run = waiting.run
    whole = document(run) | {"request": documents.parse(waiting.body), "raw": _raw(waiting.raw, masks)}
    omitted = [part for part in PARTS if len(documents.dump(whole[part])) > PART_BYTES]
    whole |= dict.fromkeys(omitted)
    for part in (*PARTS, "error", "linkedid"):
        whole[part] = masks.document(whole[part])
    whole |= {"at": at(run.run_id).isoformat(), "omitted": omitted, "phones": waiting.settings.record_phones}
    return {
        "id": run.run_id,
        "site": run.site,
        "point": run.point,
        "outcome": run.outcome,
        "reason": run.reason,
        "linkedid": whole["linkedid"] or "",
        "ms": run.times_ms["total"],
        "error": whole["error"]["text"].partition("\n")[0] if whole["error"] else "",
        "document": documents.dump(whole).decode(),
    }


def _raw(origin: Origin | None, masks: Pseudonyms) -> Json:
    if origin is None:
        return None
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in origin.headers.items()]
    return {"method": origin.method, "path": unquote(origin.path), "headers": masks.headers(headers)}


def at(run_id: str) -> datetime:
    """
    Return when the run of this id began.
    """
    return datetime.fromtimestamp(int(run_id[:12], 16) / 1000, UTC)
