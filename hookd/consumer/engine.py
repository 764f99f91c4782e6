"""
The engine: DBOS, which records how far each attempt of a job has come, in `jobs.sqlite`.

An attempt is one workflow with one step. The step does the work and its result is recorded, durably, before anything
else happens: an attempt that has a result is never done again, one that was interrupted is done again when the next
consumer starts. All that is DBOS's own stays here: no other module of hookd imports it.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from sqlalchemy import URL, Engine, MetaData, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from hookd.documents import Json
from hookd.errors import StorageError
from hookd.logs import mask
from hookd.storage import BUSY_S, Database

NAME = "jobs.sqlite"
APPLICATION = "hookd"
VERSION = "1"  # pinned: a new hookd goes on with what an old one left
EXECUTOR = "consumer"  # fixed: a new process adopts what a dead one left
WORKFLOW = "attempt"
POLL_S = 0.2  # of a queue
RARELY_S = 600.0  # DBOS looks for its own schedules, of which there are none
CONNECTIONS = 8
BEGUN_S = 10.0  # an attempt that was claimed this long ago has a thread, or had one
STEP = 100  # workflows that are deleted in one transaction
OPEN = frozenset({"ENQUEUED", "DELAYED", "PENDING"})

log = structlog.get_logger("hookd.consumer")


class Interrupted(BaseException):
    """
    The attempt was not done to its end and has no result: this process is stopping.

    No Exception, which DBOS would record as the attempt's result.
    """


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    How an attempt stands in the records.

    Attributes:
        is_open: Whether it is still to be done, or being done.
        result: What it came to; None where it is open, or where DBOS gave it up.
        error: Why DBOS gave it up; "" otherwise.
    """

    is_open: bool
    result: Json = None
    error: str = ""


class DurableEngine:
    """
    Does attempts, each once; there is one in a process, since DBOS is.

    Args:
        do: Does an attempt, in a thread: (job id, number) → its result, which is JSON; raises Interrupted.
        note: Is told the result once it is recorded, in a thread: (job id, number, result).
    """

    def __init__(
        self, state: Path, do: Callable[[str, int], Json], note: Callable[[str, int, Json], None], *, at_once: int
    ) -> None:
        self._state = state
        self._do = do
        self._note = note
        self._at_once = at_once
        self._active: set[str] = set()
        self._attempt: Callable[[str, int], Json] | None = None
        self._database: Engine | None = None

    def start(self, kinds: Collection[str]) -> None:
        """
        Adopt what a dead consumer left, and begin to work on a queue for each of *kinds*.

        Raises:
            StorageError: The database cannot be used.
        """
        _listen_to_dbos()
        for name in [name for name in os.environ if name.startswith("DBOS_")]:
            del os.environ[name]  # nothing but these arguments says what DBOS does
        # Makes the file: readable for its owner alone, with a write-ahead log; and says in our words what is wrong.
        Database(self._state, NAME, MetaData()).close()
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

        def attempt(job: str, number: int) -> Json:
            return self._work(job, number)  # DBOS takes functions, and marks them; no methods

        self._attempt = DBOS.workflow(name=WORKFLOW)(attempt)
        try:
            DBOS.launch()
            for kind in kinds:
                DBOS.register_queue(
                    kind, worker_concurrency=self._at_once, polling_interval_sec=POLL_S, on_conflict="always_update"
                )
        except SQLAlchemyError as error:
            raise StorageError(f"{self._state / NAME}: {error}") from error

    def enqueue(self, kind: str, run_id: str, job: str, number: int) -> None:
        """
        Have attempt *number* of *job* done, unless there is one called *run_id*.
        """
        queue = DBOS.retrieve_queue(kind)
        assert queue is not None
        assert self._attempt is not None
        with SetWorkflowID(run_id):
            queue.enqueue(self._attempt, job, number)

    def found(self, run_ids: Collection[str]) -> Mapping[str, Attempt]:
        """
        Return those of these attempts that are in the records.
        """
        rows = DBOS.list_workflows(workflow_ids=list(run_ids), load_input=False) if run_ids else []
        return {
            row.workflow_id: Attempt(
                row.status in OPEN,
                row.output,
                "" if row.status in OPEN or row.status == "SUCCESS" else f"{row.status.lower()}: {row.error or ''}",
            )
            for row in rows
        }

    def resume(self, run_ids: Collection[str]) -> None:
        """
        Do those of the open attempts *run_ids* again that began and that no thread works on.

        Their step has ended without a record, since the database could not take it: its disk was full.
        """
        begun = DBOS.list_workflows(workflow_ids=list(run_ids), status="PENDING", load_input=False) if run_ids else []
        settled = (time.time() - BEGUN_S) * 1000
        for row in begun:
            if row.workflow_id not in self._active and (row.updated_at or 0) < settled:
                DBOS.resume_workflow(row.workflow_id)

    def forget(self, before: float) -> int:
        """
        Delete some of the records of attempts that ended before this time (since 1970); return how many, 0 at the end.
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

    def stop(self) -> None:
        """
        End; attempts that are being done stay open in the records.
        """
        DBOS.destroy(destroy_registry=True)
        if self._database:
            self._database.dispose()

    def _work(self, job: str, number: int) -> Json:
        run_id = f"{job}-{number}"
        self._active.add(run_id)
        try:
            result: Json = DBOS.run_step({"name": "run"}, self._do, job, number)
            self._note(job, number, result)
            return result
        finally:
            self._active.discard(run_id)


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
        connection.execute("PRAGMA synchronous = FULL")

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
