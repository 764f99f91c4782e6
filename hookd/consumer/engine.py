"""
The engine: DBOS, which records what became of each attempt of a job, in `jobs.sqlite`.

Attempts are begun in batches. A batch is one workflow; each of its steps waits until an attempt has ended, and records,
durably and at once, the results of all that have: where much ends at a time, one flush of the disk does for many. An
attempt that has a result is never done again; when the next consumer starts, the batches that were open are gone
through anew: results that are recorded are told again, and attempts without one are done. A batch is closed once its
results are in the inbox, on the disk, so that what is closed need never be looked at again. All that is DBOS's own
stays here: no other module of hookd imports it.
"""

import json
import logging
import os
import queue
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID, WorkflowStatus
from sqlalchemy import URL, Engine, MetaData, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from hookd.documents import Json
from hookd.errors import StorageError
from hookd.logs import mask
from hookd.storage import BUSY_S, Database

NAME = "jobs.sqlite"
APPLICATION = "hookd"
VERSION = "2"  # pinned: a new hookd goes on with what an old one left; 1 had a workflow for each attempt
EXECUTOR = "consumer"  # fixed: a new process adopts what a dead one left
WORKFLOW = "batch"
TOGETHER_S = 0.03  # after an attempt has ended, for others to end whose results are recorded with its own
STOP_LOOK_S = 0.5  # between two looks whether hookd is stopping
RARELY_S = 600.0  # DBOS looks for its own schedules, of which there are none
CONNECTIONS = 8
BEGUN_S = 10.0  # a batch that was claimed this long ago has a thread, or had one
STEP = 100  # workflows that are deleted in one transaction
# Of a batch, in 8 minutes if consumer after consumer dies at once: perhaps something in it kills them.
RECOVERIES_MAX = 20
OPEN = ("ENQUEUED", "DELAYED", "PENDING")
EXCEEDED = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
FAILED = ("ERROR", EXCEEDED)
GIVEN_UP = (
    f"the consumer ended {RECOVERIES_MAX} times while it was at this. See the log, and the kernel's (dmesg), for what "
    "ended it: want of memory, perhaps."
)

log = structlog.get_logger("hookd.consumer")


class Interrupted(BaseException):
    """
    A batch was not done to its end: this process is stopping, or the disk does not do what it should.

    No Exception, which DBOS would record as the batch's result.
    """


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """
    One attempt of a job: the job's id, and the attempt's number.
    """

    job: str
    number: int


@dataclass(frozen=True, slots=True)
class Result:
    """
    What an attempt came to, which is JSON; None where it was interrupted, and is to be done again.
    """

    attempt: Attempt
    value: Json


@dataclass(frozen=True, slots=True)
class Batch:
    """
    How a batch stands in the records.

    Attributes:
        is_open: Whether it is still to be done, or being done.
        attempts: All that it was begun with, where it was asked for.
        error: Why DBOS gave it up; "" otherwise.
    """

    is_open: bool
    attempts: tuple[Attempt, ...] = ()
    error: str = ""


@dataclass(slots=True)
class _Doing:
    """
    A batch that this process works on.

    Attributes:
        left: Attempts without a recorded result.
        ended: Where those that were begun come to, each once.
        awaited: How many of those there still are.
    """

    left: list[Attempt]
    ended: queue.SimpleQueue[Result] = field(default_factory=queue.SimpleQueue)
    awaited: int | None = None


class DurableEngine:
    """
    Does attempts, each once; there is one in a process, since DBOS is.

    Args:
        begin: Begins attempts, and returns: each one's result is handed to the function that comes along, once.
        note: Is told results once they are recorded, in a thread.
        keep: Waits until what was noted is on the disk, in a thread; raises Interrupted where that does not come.
    """

    def __init__(
        self,
        state: Path,
        *,
        begin: Callable[[Sequence[Attempt], Callable[[Result], None]], None],
        note: Callable[[Sequence[Result]], None],
        keep: Callable[[], None],
    ) -> None:
        self._state = state
        self._begin = begin
        self._note = note
        self._keep = keep
        self._active: set[str] = set()
        self._is_stopping = False
        self._workflow: Callable[[list[list[Json]]], None] | None = None
        self._database: Engine | None = None
        self._file: Database | None = None

    def start(self) -> Mapping[str, Batch]:
        """
        Begin to work, and adopt what a dead consumer left; return those batches, and those that were given up.

        Raises:
            StorageError: The database cannot be used.
        """
        _listen_to_dbos()
        for name in [name for name in os.environ if name.startswith("DBOS_")]:
            del os.environ[name]  # nothing but these arguments says what DBOS does
        # Makes the file: readable for its owner alone, with a write-ahead log; and says in our words what is wrong.
        self._file = Database(self._state, NAME, MetaData(), is_durable=False)
        self._database = _engine(self._state / NAME)
        config: DBOSConfig = {
            "name": APPLICATION,
            "application_version": VERSION,
            "executor_id": EXECUTOR,
            "system_database_engine": self._database,
            "serializer": JsonSerializer(),
            "enable_otlp": False,
            "log_level": "WARNING",
            "use_listen_notify": False,
            "scheduler_polling_interval_sec": RARELY_S,
        }
        DBOS(config=config)

        def batch(attempts: list[list[Json]]) -> None:
            self._work(attempts)  # DBOS takes functions, and marks them; no methods

        self._workflow = DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RECOVERIES_MAX)(batch)
        try:
            DBOS.launch()
            rows = DBOS.list_workflows(name=WORKFLOW, status=[*OPEN, *FAILED], load_output=False)
        except SQLAlchemyError as error:
            raise StorageError(f"{self._state / NAME}: {error}") from error
        return {row.workflow_id: _batch(row) for row in rows}

    def begin(self, id_: str, attempts: Sequence[Attempt]) -> None:
        """
        Have *attempts* done, as the batch called *id_*, which is on the disk when this returns.
        """
        assert self._workflow is not None
        with SetWorkflowID(id_):
            DBOS.start_workflow(self._workflow, [[attempt.job, attempt.number] for attempt in attempts])

    def found(self, ids: Collection[str]) -> Mapping[str, Batch]:
        """
        Return those of these batches that are in the records.
        """
        rows = DBOS.list_workflows(workflow_ids=list(ids), load_input=False) if ids else []
        return {row.workflow_id: _batch(row) for row in rows}

    def recorded(self, id_: str) -> Mapping[Attempt, Json]:
        """
        Return the results that are recorded of the batch *id_*, which was given up and tells them no more.
        """
        steps = [step["output"] for step in DBOS.list_workflow_steps(id_)]
        return {_attempt(row): value for step in steps for *row, value in step or ()}

    def resume(self, ids: Collection[str]) -> None:
        """
        Go on with those of the open batches *ids* that began and that no thread works on.

        A step of theirs has ended without a record, since the database could not take it: its disk was full.
        """
        begun = DBOS.list_workflows(workflow_ids=list(ids), status="PENDING", load_input=False) if ids else []
        settled = (time.time() - BEGUN_S) * 1000
        for row in begun:
            if row.workflow_id not in self._active and (row.updated_at or 0) < settled:
                DBOS.resume_workflow(row.workflow_id)

    def forget(self, before: float) -> int:
        """
        Delete some of the records of batches that ended before this time (since 1970); return how many, 0 at the end.
        """
        ended = DBOS.list_workflows(
            completed_before=datetime.fromtimestamp(before, UTC).isoformat(),
            limit=STEP,
            load_input=False,
            load_output=False,
        )
        if ended:
            DBOS.delete_workflows([row.workflow_id for row in ended])
        return len(ended)

    @property
    def is_busy(self) -> bool:
        """Whether there is a batch that is being done."""
        return bool(self._active)

    def stop(self) -> None:
        """
        End; batches that are being done stay open in the records.
        """
        self._is_stopping = True
        DBOS.destroy(destroy_registry=True)
        if self._database:
            self._database.dispose()
        if self._file:
            self._file.close()

    # ---- a batch, in a thread of DBOS ----------------------------------------------------------------------------

    def _work(self, attempts: list[list[Json]]) -> None:
        doing = _Doing([_attempt(row) for row in attempts])
        id_ = DBOS.workflow_id or ""
        self._active.add(id_)
        try:
            while doing.left:
                recorded = DBOS.run_step({"name": "results"}, self._results, doing)
                results = [Result(_attempt(row), value) for *row, value in recorded]
                ended = {result.attempt for result in results}
                doing.left = [attempt for attempt in doing.left if attempt not in ended]
                self._flush()
                self._note(results)
            self._keep()
        finally:
            self._active.discard(id_)

    def _flush(self) -> None:
        """
        Have on the disk what is recorded; of all that DBOS writes, only results must not be forgotten.

        A batch whose beginning is forgotten was not taken out of the inbox, one whose end is forgotten is told again.
        """
        assert self._file is not None
        try:
            self._file.flush()
        except StorageError as error:
            log.error("results_not_flushed", error=str(error))
            raise Interrupted from error  # it stays open, and is gone on with: see `resume`

    def _results(self, doing: _Doing) -> list[list[Json]]:
        """Return what has ended and is not recorded, at least one attempt, as it is recorded: job, number, result."""
        if doing.awaited is None:  # only now: what the steps before have recorded is not done again
            doing.awaited = len(doing.left)
            self._begin(doing.left, doing.ended.put)
        found: list[list[Json]] = []
        while not found:
            found = self._some(doing)
        return found

    def _some(self, doing: _Doing) -> list[list[Json]]:
        try:
            some = [doing.ended.get(timeout=STOP_LOOK_S)] if doing.awaited else []
        except queue.Empty:
            some = []
        if not some and (self._is_stopping or not doing.awaited):
            raise Interrupted
        time.sleep(TOGETHER_S if some and doing.awaited != 1 else 0)
        while not doing.ended.empty():
            some.append(doing.ended.get())
        doing.awaited = (doing.awaited or 0) - len(some)
        return [[one.attempt.job, one.attempt.number, one.value] for one in some if one.value is not None]


def _attempt(row: Sequence[Json]) -> Attempt:
    job, number = row
    return Attempt(job, number)


def _batch(row: WorkflowStatus) -> Batch:
    is_open = row.status in OPEN
    attempts = row.input["args"][0] if row.input else ()
    return Batch(is_open, tuple(_attempt(one) for one in attempts), "" if is_open else _why(row))


def _why(row: WorkflowStatus) -> str:
    """Why a batch that is not open was given up; "" where it was not."""
    if row.status == EXCEEDED:
        return GIVEN_UP
    return "" if row.status == "SUCCESS" else f"{row.status.lower()}: {row.error or ''}"


class JsonSerializer(Serializer):
    """
    JSON where DBOS would pickle.
    """

    def serialize(self, data: Any) -> str:
        """Return *data* as text; an exception, which is DBOS's own, keeps its message."""
        return json.dumps({"error": str(data)} if isinstance(data, BaseException) else {"value": data})

    def deserialize(self, serialized_data: str) -> Any:
        """Return what `serialize` was given."""
        data = json.loads(serialized_data)
        return RuntimeError(data["error"]) if "error" in data else data["value"]

    def name(self) -> str:
        """Return what stands beside each text."""
        return "hookd_json"


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_S},
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=30,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: SqliteConnection, record: object) -> None:
        connection.isolation_level = "IMMEDIATE"  # what DBOS sets where it makes the engine
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")  # see `_flush`

    return engine


class _ToLog(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        log.warning("dbos", level_of=record.levelname.lower(), message=mask(record.getMessage()))


def _listen_to_dbos() -> None:
    """Take what DBOS says into our log, from warnings up; it prints only where its logger has no handler."""
    logger = logging.getLogger("dbos")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_ToLog(logging.WARNING))
