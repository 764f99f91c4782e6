"""
The inbox: jobs that were promised and events that were taken, in `inbox.sqlite`.

    waiting → running → done
       ↑         ├──→ waiting (it failed: the next run is due later)
       │         └──→ dead    (it failed as often as it may)
     parked ←── its site is gone, until it comes back; or it came too often, until somebody has it run (`retry`)

Whoever promises a job commits one row here, has it flushed to the disk, and only then says so; the consumer does the
rest. Those who promise at the same moment in one process share a transaction and a flush, and nobody flushes while
others wait to write: it is done after the transaction. A row holds what a job is and how it stands, for people and for
commands. That a run has ended well is recorded by DBOS, durably, before it is written here.

What a site may have waiting and kept is limited, so that a hook or a portal which goes on and on fills no disk.

What is said of jobs here holds for events, which are of another kind. Rows of one *lane*, such as the events on one
object of a portal, are done one after the other, as they are due: one that is tried again later holds nobody up.
"""

import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby, islice, zip_longest
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    Update,
    bindparam,
    delete,
    event,
    func,
    insert,
    select,
    union_all,
    update,
)

from hookd.documents import Json
from hookd.errors import InboxFullError, JobError, StorageError
from hookd.storage import Database

NAME = "inbox.sqlite"
SCHEMA = 3
PAYLOAD_BYTES = 65_536
KEY_CHARACTERS = 200
DELAY_MAX_S = 30 * 86_400.0
KEPT_S = 7 * 86_400.0  # a job that has ended, and thus its key
MEGABYTE = 1024 * 1024
NOTED = 20  # rows in one transaction: who promises a job waits no longer than for these
STEP = 200  # rows in one transaction of a clean-up: nobody waits long for the lock
ERROR_CHARACTERS = 2000
ROW_BYTES = 1000  # that a job takes beside its payload's characters, about: its row, its indexes, the record of its run
EXAMPLE_AT = 1_767_225_600.0  # 2026-01-01

JOB, EVENT = KINDS = ("job", "event")
WAITING, RUNNING, DONE, DEAD, PARKED = STATES = ("waiting", "running", "done", "dead", "parked")
ENDED = (DONE, DEAD)
NO_SITE, LOOP, NO_HOOK = "no_site", "loop", "no_hook"  # why it is parked; why it is done without a run

TABLES = MetaData()
_JOBS = Table(
    "jobs",
    TABLES,
    Column("id", Text, primary_key=True),
    Column("site", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("key", Text),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),  # of the run that is next, or is, or was the last
    Column("first", Integer, nullable=False),  # the attempt from which failures count: retry begins anew
    Column("is_taken", Boolean, nullable=False),  # whether the consumer has it
    Column("enqueued_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("error", Text, nullable=False),
    Column("lane", Text),
    Column("reason", Text),
    Index("jobs_by_key", "site", "kind", "name", "key", unique=True),
    Index("jobs_in_turn", "state", "kind", "is_taken", "site", "due_at", "id", "lane"),
    Index("jobs_by_end", "ended_at"),
    Index("jobs_taken", "is_taken", "kind"),
)
_C = _JOBS.c
# For their site; those of an older hookd have no reason.
_PARKED = (_C.state == PARKED, func.coalesce(_C.reason, NO_SITE) == NO_SITE)
# Made once: to make an expression takes longer than to have it executed.
_INSERT = insert(_JOBS)
_SAME = select(_C.id, _C.ended_at).where(*(_C[name] == bindparam(name) for name in ("site", "kind", "name", "key")))
# What is due is read in its order, and no further than to as many as are wanted: what waits may be thousands.
_OF_KIND = _C.kind == bindparam("kind")
_WAITS = (_C.state == WAITING, _OF_KIND, _C.is_taken.is_(False))
_LANES = select(_C.lane).where(_OF_KIND, _C.site == bindparam("site"), _C.lane.is_not(None))
_HELD = union_all(
    _LANES.where(_C.state.in_((WAITING, RUNNING)), _C.is_taken.is_(True)),
    _LANES.where(*_PARKED, _C.is_taken.is_(False)),
)
_DUE = (
    select(_C.due_at, _C.id, _C.lane)
    .where(*_WAITS, _C.site == bindparam("site"), _C.due_at <= bindparam("now"))
    .where(_C.lane.is_(None) | _C.lane.not_in(_HELD))
    .order_by(_C.due_at, _C.id)
)
_FIRST_SITE = select(_C.site).where(*_WAITS).order_by(_C.site).limit(1)
_WAITING_SITES = select(_FIRST_SITE.scalar_subquery().label("site")).cte(recursive=True)
_NEXT_SITE = _FIRST_SITE.where(_C.site > _WAITING_SITES.c.site).scalar_subquery()
_WAITING_SITES = _WAITING_SITES.union_all(select(_NEXT_SITE).where(_WAITING_SITES.c.site.is_not(None)))
_SITES = select(_WAITING_SITES.c.site).where(_WAITING_SITES.c.site.is_not(None))

# What a site has: to count it and to sum it up at each promise takes longer the more there is, and whoever changes jobs
# here and there would forget it.
_USES = Table(
    "jobs_uses",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("waiting", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
)
_USE_OF = select(_USES.c.waiting, _USES.c.bytes).where(_USES.c.site == bindparam("site"))
_SIZE = f"length({{0}}payload) + {ROW_BYTES}"
_COUNTING = (
    f"""CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
        INSERT INTO jobs_uses VALUES (new.site, new.ended_at IS NULL, {_SIZE.format("new.")})
        ON CONFLICT (site) DO UPDATE SET waiting = waiting + excluded.waiting, bytes = bytes + excluded.bytes;
    END""",
    """CREATE TRIGGER jobs_ended AFTER UPDATE OF ended_at ON jobs WHEN (old.ended_at IS NULL) <> (new.ended_at IS NULL)
    BEGIN
        UPDATE jobs_uses SET waiting = waiting + (new.ended_at IS NULL) - (old.ended_at IS NULL) WHERE site = new.site;
    END""",
    f"""CREATE TRIGGER jobs_forgotten AFTER DELETE ON jobs BEGIN
        UPDATE jobs_uses SET waiting = waiting - (old.ended_at IS NULL), bytes = bytes - ({_SIZE.format("old.")})
        WHERE site = old.site;
    END""",
)


@event.listens_for(_USES, "after_create")
def _begin_to_count(table: Table, connection: Connection, **options: Any) -> None:
    """
    Begin with what an older hookd left. Its own table, jobs_sizes, stays: its processes may still run, and write there.
    """
    known = f"SELECT site, sum(ended_at IS NULL), sum({_SIZE.format('')}) FROM jobs GROUP BY site"
    for statement in (f"INSERT INTO jobs_uses {known}", *_COUNTING):
        connection.exec_driver_sql(statement)


@dataclass(frozen=True, slots=True)
class Job:
    """
    One job as it stands; the times are seconds since 1970.

    Attributes:
        key: What makes it the same job as another one of its site and name; None where nothing does.
        attempt: Number of the run that is next, or is, or was the last.
        first: The attempt from which failures count.
        ended_at: When it was done or given up; None before.
        error: Of the last run that failed, or why it is parked; "" otherwise.
        lane: What others of its site have in common with it that are done before or after it, never meanwhile; None
            where nothing has.
        reason: A word for why it stands so: `no_site`, `loop` or `no_hook`; None otherwise.
    """

    id: str
    site: str
    kind: str
    name: str
    key: str | None
    payload: Json
    state: str
    attempt: int
    first: int
    enqueued_at: float
    due_at: float
    ended_at: float | None
    error: str
    lane: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Promise:
    """
    What became of an order to do a job.

    Attributes:
        is_new: False where a job with this key was known already: this is its id, and nothing was enqueued.
    """

    id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Quota:
    """
    What a site may have.

    Attributes:
        waiting: Jobs and events that have not ended.
        mb: Megabytes of all that are known, those that have ended included.
    """

    waiting: int
    mb: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a site has: jobs and events that have not ended, and about as many bytes of all that are known."""

    waiting: int = 0
    bytes: int = 0

    def over(self, quota: Quota) -> str:
        """
        Return the setting whose limit is reached; "" where there is room.
        """
        if self.waiting >= quota.waiting:
            return "jobs_waiting_max"
        return "jobs_mb_max" if self.bytes >= quota.mb * MEGABYTE else ""


@dataclass(frozen=True, slots=True)
class Old:
    """
    What people have forgotten: what is so, and what nobody has.

    Attributes:
        before: When it ended, or else was enqueued, in seconds since 1970.
        site: None is every site.
    """

    kind: str
    state: str
    before: float
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """
    How the consumer found a job's attempt to stand; a note about an attempt that is over counts no more.

    Attributes:
        next_attempt: Number of the next run; the attempt's own where there is none.
        due_at: When the next run is due; None leaves it.
        forgives: Whether the attempt does not count as one that failed.
        reason: A word for why it stands so.
    """

    id: str
    attempt: int
    state: str
    next_attempt: int
    due_at: float | None = None
    error: str = ""
    forgives: bool = False
    reason: str | None = None


@dataclass(slots=True)
class _Order:
    """A job that somebody waits to have promised, and what becomes of that: a promise or an error."""

    row: dict[str, Any]
    is_limited: bool
    promise: Promise | None = None
    error: Exception | None = None


class Jobs:
    """
    The jobs of an installation; its methods block, and any thread may call them.

    Args:
        state: The state directory. The database is opened at the first use: after the fork.
        quota: Returns what a site may have; None is no limit.
        on_full: Called with a site that has all that it may have, when somebody wants more, in his thread.
    """

    def __init__(
        self,
        state: Path,
        *,
        quota: Callable[[str], Quota | None] = lambda site: None,
        on_full: Callable[[str, InboxFullError], None] = lambda site, error: None,
    ) -> None:
        self.path = state / NAME
        self._quota = quota
        self._on_full = on_full
        self._state = state
        self._opened: Database | None = None
        self._opening = threading.Lock()
        self._orders: deque[_Order] = deque()
        self._turn = threading.Lock()

    # ---- to promise ----------------------------------------------------------------------------------------------

    def enqueue(
        self,
        site: str,
        name: str,
        payload: Json,
        *,
        delay_s: float = 0.0,
        key: str | None = None,
        kind: str = JOB,
        lane: str | None = None,
        is_limited: bool = True,
    ) -> Promise:
        """
        Promise the job *name* of *site*: when this returns, it is on the disk.

        Args:
            payload: What the job gets.
            delay_s: Seconds until it is due, up to 30 days.
            key: Names the job: as long as one with the same key is known, that is until 7 days after it has ended,
                nothing is enqueued.
            lane: Those of one site and lane are done one after the other.
            is_limited: Whether the site's quota counts: not for what hookd itself has to tell.

        Raises:
            JobError: The payload, the delay or the key is not what it may be.
            InboxFullError: The site has as much as it may have.
            StorageError: It could not be written down, and is not promised.
        """
        text = _payload(payload)
        _check(delay_s, key)
        now = time.time()
        row = {
            **{"id": _new_id(now), "site": site, "kind": kind, "name": name, "key": key, "payload": text},
            **{"state": WAITING, "attempt": 1, "first": 1, "is_taken": False, "error": "", "lane": lane},
            **{"enqueued_at": now, "due_at": now + delay_s},
        }
        order = _Order(row, is_limited)
        self._orders.append(order)
        with self._turn:  # whoever has it writes for all that wait by then
            if order.promise is None and order.error is None:
                self._write_orders()
        if isinstance(order.error, InboxFullError):
            self._on_full(site, order.error)
            raise order.error
        if order.promise is None:
            raise StorageError(str(order.error)) from order.error
        return order.promise

    def _write_orders(self) -> None:
        orders = [self._orders.popleft() for _ in range(len(self._orders))]
        try:
            promises = self._promise(orders)
            self._database().flush()  # that of a job which is known already may be under way as well
        except Exception as error:
            for order in orders:
                order.error = error
            return
        for order, promise in zip(orders, promises, strict=True):
            order.promise = promise if order.error is None else None

    def _promise(self, orders: Sequence[_Order]) -> list[Promise]:
        """Write *orders* down, but for those that have an error afterwards."""
        promises = []
        with self._database().write() as connection:
            for order in orders:
                known = _known(connection, order.row) if order.row["key"] is not None else None
                if known is None:
                    order.error = self._over_quota(connection, order.row["site"]) if order.is_limited else None
                if known is None and order.error is None:
                    connection.execute(_INSERT, order.row)
                promises.append(Promise(known or order.row["id"], is_new=known is None))
        return promises

    # ---- to look and to change by hand ---------------------------------------------------------------------------

    def find(self, id_: str) -> Job | None:
        """
        Return the job with this id, if it is known.
        """
        with self._database().read() as connection:
            row = connection.execute(select(_JOBS).where(_C.id == id_)).one_or_none()
        return _job(row) if row else None

    def all(
        self,
        *,
        site: str | None = None,
        state: str | None = None,
        name: str | None = None,
        most: int | None = None,
        kind: str | None = None,
    ) -> list[Job]:
        """
        Return the jobs that are so, those enqueued last first.
        """
        wanted = {"site": site, "state": state, "name": name, "kind": kind}
        query = select(_JOBS).filter_by(**{column: value for column, value in wanted.items() if value is not None})
        with self._database().read() as connection:
            rows = connection.execute(query.order_by(_C.enqueued_at.desc(), _C.id.desc()).limit(most))
            return [_job(row) for row in rows]

    def counts(self, *, kind: str | None = None) -> dict[str, int]:
        """
        Return how many jobs there are in each state, of all kinds or of one.
        """
        query = select(_C.state, func.count()).group_by(_C.state)
        if kind is not None:
            query = query.where(_C.kind == kind)
        with self._database().read() as connection:
            found = {str(state): int(number) for state, number in connection.execute(query)}
        return {state: found.get(state, 0) for state in STATES}

    def uses(self) -> dict[str, Use]:
        """
        Return what each site has.
        """
        with self._database().read() as connection:
            return {row.site: Use(row.waiting, row.bytes) for row in connection.execute(select(_USES))}

    def retry(self, id_: str) -> bool:
        """
        Have a job that waits, is dead or is parked run now, with all its attempts before it; return whether it is one.
        """
        now = time.time()
        ended = {"attempt": _C.attempt + 1, "first": _C.attempt + 1, "ended_at": None, "is_taken": False}
        ended |= {"reason": None}
        with self._database().write() as connection:
            waits = update(_JOBS).where(_C.id == id_, _C.state == WAITING, _C.is_taken.is_(False))
            again = update(_JOBS).where(_C.id == id_, _C.state.in_((DEAD, PARKED)))
            found: int = connection.execute(waits.values(due_at=now, first=_C.attempt)).rowcount
            found += connection.execute(again.values(state=WAITING, due_at=now, **ended)).rowcount
        self.flush()
        return found > 0

    def purge(self, old: Old) -> int:
        """
        Forget what is so; return how many.
        """
        condition = _is_old(old)
        return sum(iter(lambda: self._forget_some(condition), 0))

    def counted(self, old: Old) -> dict[str, int]:
        """
        Return how much of each site is so.
        """
        query = select(_C.site, func.count()).where(_is_old(old)).group_by(_C.site).order_by(_C.site)
        with self._database().read() as connection:
            return {str(site): int(number) for site, number in connection.execute(query)}

    # ---- for the consumer ----------------------------------------------------------------------------------------

    def release(self) -> None:
        """
        Take every job that has not ended for one that nobody has: the consumer that had it is gone.
        """
        with self._database().write() as connection:
            taken = update(_JOBS).where(_C.is_taken.is_(True), _C.state.in_((WAITING, RUNNING)))
            connection.execute(taken.values(is_taken=False, state=WAITING))

    def due(self, kind: str, most: int) -> list[Job]:
        """
        Return jobs that are due and that nobody has, at most *most*: the oldest of each site first, then the next ones.
        Of a lane there is the oldest alone, and none while the consumer has one of it, or one is parked for its site.
        """
        now = time.time()
        with self._database().read() as connection:
            sites = connection.scalars(_SITES, {"kind": kind}).all()
            heads = [_heads(connection, {"kind": kind, "site": site, "now": now}, most) for site in sites]
            turns = (sorted(filter(None, turn)) for turn in zip_longest(*heads))  # one of each site
            chosen = [id_ for _, id_ in islice(chain.from_iterable(turns), most)]
            found = {row.id: _job(row) for row in connection.execute(select(_JOBS).where(_C.id.in_(chosen)))}
        return [found[id_] for id_ in chosen]

    def take(self, ids: Sequence[str]) -> None:
        """
        Note that the consumer has these jobs.
        """
        with self._database().write() as connection:
            connection.execute(update(_JOBS).where(_C.id.in_(ids)).values(is_taken=True))

    def note(self, notes: Iterable[Note]) -> None:
        """
        Write down how jobs stand, a few at a time: what was written before an error may be written again.
        """
        now = time.time()
        changes = [(note, _changes(note, now)) for note in _needed(list(notes))]
        for first in range(0, len(changes), NOTED):
            with self._database().write() as connection:
                for columns, alike in groupby(changes[first : first + NOTED], lambda change: tuple(change[1])):
                    connection.execute(_noting(columns), [_parameters(note, changed) for note, changed in alike])

    def flush(self) -> None:
        """
        Return when all that was written so far outlives a power failure.
        """
        self._database().flush()

    def tend(self) -> None:
        """
        Look after the database, every second or so: those who promise jobs leave that work to the consumer.
        """
        self._database().tend()

    def unpark(self, sites: Collection[str]) -> None:
        """
        Let the jobs of *sites* that were parked for their site, which is there again, wait for their runs.
        """
        with self._database().write() as connection:
            parked = update(_JOBS).where(*_parked(sites))
            connection.execute(parked.values(state=WAITING, is_taken=False, error="", reason=None))

    def has_parked(self, sites: Collection[str]) -> bool:
        """
        Return whether jobs of *sites* are parked for their site.
        """
        with self._database().read() as connection:
            query = select(_C.id).where(*_parked(sites)).limit(1)
            return connection.scalar(query) is not None

    def forget_ended(self, before: float) -> int:
        """
        Forget some of the jobs that ended before this time; return how many, 0 when there are no more.
        """
        return self._forget_some(_C.ended_at < before)

    def close(self) -> None:
        """Close the database."""
        if self._opened:
            self._opened.close()

    def _over_quota(self, connection: Connection, site: str) -> InboxFullError | None:
        """Why *site* may have no more, if so."""
        quota = self._quota(site)
        if quota is None:
            return None
        row = connection.execute(_USE_OF, {"site": site}).one_or_none()
        use = Use(row.waiting, row.bytes) if row else Use()
        over = use.over(quota)
        return InboxFullError(site, over, use.waiting, use.bytes // MEGABYTE) if over else None

    def _forget_some(self, condition: ColumnElement[bool]) -> int:
        with self._database().write() as connection:
            ids = list(connection.scalars(select(_C.id).where(condition).limit(STEP)))
            _forget(connection, ids)
        return len(ids)

    def _database(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = Database(self._state, NAME, TABLES, version=SCHEMA, is_durable=False, is_tended=True)
            return self._opened


def _heads(connection: Connection, wanted: dict[str, Any], most: int) -> list[tuple[float, str]]:
    """
    When a site's jobs that may be done were due, and their ids, at most *most*: the oldest first, of a lane that alone.
    """
    heads: list[tuple[float, str]] = []
    lanes = set()
    # One that is read half-way, and not closed, keeps its connection at the present state: who gets it cannot write.
    with contextlib.closing(connection.execute(_DUE, wanted)) as rows:
        for due_at, id_, lane in rows:
            if lane not in lanes:
                heads.append((due_at, id_))
            if lane is not None:
                lanes.add(lane)
            if len(heads) == most:
                break
    return heads


def _forget(connection: Connection, ids: Collection[str]) -> None:
    connection.execute(delete(_JOBS).where(_C.id.in_(ids)))


def check_name(name: str, known: Collection[str]) -> None:
    """
    Check that there is a job *name* among those *known*.

    Raises:
        JobError: There is none; names those that there are.
    """
    if name not in known:
        there = ", ".join(sorted(known)[:20]) or "none"
        raise JobError(f"there is no job {name!r:.60}.", f"It is a file hooks/jobs/NAME.py. Jobs: {there}.")


def document(job: Job) -> dict[str, Json]:
    """
    Return *job* as its hook gets it.
    """
    return {
        "id": job.id,
        "name": job.name,
        "attempt": job.attempt,
        "payload": job.payload,
        "enqueued_at": job.enqueued_at,
        "key": job.key,
    }


def example(name: str, payload: Json) -> dict[str, Json]:
    """
    Return the document of a first attempt, for commands and tests of hooks.
    """
    return {"id": "0" * 24, "name": name, "attempt": 1, "payload": payload, "enqueued_at": EXAMPLE_AT, "key": None}


def _new_id(now: float) -> str:
    """48 bits of milliseconds, so that ids sort by time, and 48 bits at random."""
    return f"{int(now * 1000):012x}{secrets.token_hex(6)}"


def _payload(payload: Json) -> str:
    try:
        text = orjson.dumps(payload)
    except TypeError as error:
        raise JobError(f"the payload is no JSON: {error}.", "Hand over texts, numbers, lists and dicts.") from error
    if len(text) > PAYLOAD_BYTES:
        what = f"the payload has {len(text)} bytes as JSON; {PAYLOAD_BYTES} are allowed."
        raise JobError(what, "Hand over an id, and have the job fetch the rest.")
    return text.decode()


def _check(delay_s: float, key: str | None) -> None:
    if not 0 <= delay_s <= DELAY_MAX_S:
        raise JobError(f"delay_s is {delay_s:g}.", f"Seconds from 0 to {DELAY_MAX_S:.0f}, 30 days, are allowed.")
    if key is not None and not 0 < len(key) <= KEY_CHARACTERS:
        raise JobError(f"the key has {len(key)} characters.", f"1 to {KEY_CHARACTERS} are allowed.")


def _known(connection: Connection, row: dict[str, Any]) -> str | None:
    """The id of a job with the same key; one whose time is over is forgotten."""
    found = connection.execute(_SAME, {name: row[name] for name in ("site", "kind", "name", "key")}).one_or_none()
    if found and found.ended_at is not None and found.ended_at < row["enqueued_at"] - KEPT_S:
        _forget(connection, [found.id])
        return None
    return str(found.id) if found else None


def _needed(notes: Collection[Note]) -> Iterator[Note]:
    """Notes without those that an attempt has begun which has ended since: most do before it is written down."""
    ended = {(note.id, note.attempt) for note in notes if note.state != RUNNING}
    return (note for note in notes if note.state != RUNNING or (note.id, note.attempt) not in ended)


def _changes(note: Note, now: float) -> dict[str, Any]:
    changes: dict[str, Any] = {"state": note.state, "attempt": note.next_attempt, "reason": note.reason}
    if note.error:
        changes["error"] = note.error[:ERROR_CHARACTERS]
    if note.state == DONE:
        changes["error"] = ""
    if note.state in ENDED or note.reason == LOOP:  # nobody but people will have it run: it is forgotten like the dead
        changes["ended_at"] = now
    if note.state != RUNNING:
        changes["is_taken"] = False
    if note.due_at is not None:
        changes["due_at"] = note.due_at
    return changes


def _parameters(note: Note, changes: dict[str, Any]) -> dict[str, Any]:
    forgiven = note.next_attempt - note.attempt if note.forgives else 0
    named = {f"to_{name}": value for name, value in changes.items()}
    return {"of_id": note.id, "of_attempt": note.attempt, "forgiven": forgiven, **named}


@cache
def _noting(columns: tuple[str, ...]) -> Update:
    """What writes notes that change these columns: the parameters are named after them, `of_` is what it is about."""
    current = update(_JOBS).where(_C.id == bindparam("of_id"), _C.attempt == bindparam("of_attempt"))
    changed: dict[str, Any] = {name: bindparam(f"to_{name}") for name in columns}
    return current.where(_C.ended_at.is_(None)).values(first=_C.first + bindparam("forgiven"), **changed)


def _is_old(old: Old) -> ColumnElement[bool]:
    is_free = _C.is_taken.is_(False) | _C.ended_at.is_not(None)  # the consumer may still have what has not ended
    is_old = func.coalesce(_C.ended_at, _C.enqueued_at) < old.before
    condition = (_C.kind == old.kind) & (_C.state == old.state) & is_free & is_old
    return condition if old.site is None else condition & (_C.site == old.site)


def _parked(sites: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """What is true of the jobs that wait for one of *sites*."""
    return *_PARKED, _C.site.in_(sites)


def _job(row: Row[Any]) -> Job:
    facts = row._mapping
    kept = {name: facts[name] for name in Job.__slots__ if name != "payload"}
    return Job(payload=orjson.loads(facts["payload"]), **kept)
