"""
What hookd keeps: database files in the state directory, by way of SQLAlchemy.

A file a purpose (`hookd.sqlite`, `runs.sqlite`), so that nobody waits for another's write lock. All HTTP processes have
the same files open, and may come upon an empty directory at the same moment; commands read beside them. Whoever calls
writes SQLAlchemy's own expressions, which another database would take as well: what only SQLite needs stands in the
last section of this module. Open a database after the fork: a connection belongs to the process that made it.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from errno import EACCES, EISDIR
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from hookd.errors import StorageError

DIRECTORY_MODE, FILE_MODE = 0o700, 0o600
BUSY_S = 5.0  # for another process's transaction to end; ours take milliseconds
RESTART_S = 0.05
LOCK_LOOK_S = 0.001  # between two looks whether it has

_VERSION = "schema_version"  # the table that says which hookd understands the file; one row
_READS = "hookd_reads"  # execution option of a transaction that takes no write lock


class Database:
    """
    One database file.

    Args:
        state: The state directory; made if it is not there.
        name: Of the file.
        tables: What is in it. Tables that are missing are made; a change of one that exists is a new *version*: columns
            that may be null are added to it, and its indexes are made anew where they have other names.
        version: Of the schema. A file with a higher one was written by a newer hookd.
        is_durable: Whether what was committed outlives a power failure. It costs a disk's flush a transaction, during
            which no other process can write; who can write much at once does without, and calls `flush`.
        is_tended: Whether some process calls `tend` every second or so. The others then leave that work to it.

    Raises:
        StorageError: The file cannot be used; says why, and what to do.
    """

    def __init__(
        self,
        state: Path,
        name: str,
        tables: MetaData,
        *,
        version: int = 1,
        is_durable: bool = True,
        is_tended: bool = False,
    ) -> None:
        self.path = state / name
        with _told(self.path):
            state.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            _make(self.path)
        self._engine = _sqlite_engine(self.path, is_durable=is_durable, is_tended=is_tended)
        self._reading = self._engine.execution_options(**{_READS: True})
        self._looked: Any = None  # never writes: SQLite does not tell a connection of its own changes
        self._looking = threading.Lock()
        try:
            self._prepare(tables, version)
        except StorageError:
            self.close()
            raise

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """
        Give a transaction that holds the write lock; it is committed at the end, and rolled back at an exception.

        Raises:
            StorageError: The database does not take it.
        """
        with _told(self.path), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """
        Give a transaction that sees one state of the database, and holds up nobody.

        Raises:
            StorageError: The database cannot be read.
        """
        with _told(self.path), self._reading.begin() as connection:
            yield connection

    def flush(self) -> None:
        """
        Return when all that was committed before, by whomever, outlives a power failure; others write meanwhile.

        Raises:
            StorageError: The disk does not take it.
        """
        try:
            _sqlite_flush(self.path)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written: {error.strerror}. {_REMEDIES['room']}") from error

    def version(self) -> int:
        """
        Return a number that is another one once anybody, in whichever process, has committed something.

        Raises:
            StorageError: The database does not tell.
        """
        with _told(self.path), self._looking:
            if self._looked is None:
                self._looked = self._engine.raw_connection()
            return _sqlite_version(self._looked.driver_connection)

    def used_bytes(self, connection: Connection) -> int:
        """
        Return how much of the file is in use, as this transaction sees it; what was deleted is used again.
        """
        return _sqlite_bytes(connection)[0]

    def give_back(self, connection: Connection) -> None:
        """
        Return a little of what is unused to the file system, where it is much.
        """
        used, unused = _sqlite_bytes(connection)
        if unused > max(used // UNUSED_PART, UNUSED_BYTES):
            _vacuum(connection)

    def tend(self) -> None:
        """
        Bring what was written from beside the file into it, while others read and write.

        It takes two flushes of the disk. Whoever happens to write when it is time does it otherwise, and waits for it.

        Raises:
            StorageError: The database does not take it.
        """
        with _told(self.path), contextlib.closing(self._engine.raw_connection()) as connection:
            _sqlite_checkpoint(connection.cursor())

    def is_held_up(self) -> bool:
        """
        Return whether a reader that does not end has what is written pile up beside the file.

        Raises:
            StorageError: The database does not tell.
        """
        return _wal_bytes(self.path) > WAL_BYTES and not self._shorten_wal()

    def close(self) -> None:
        """Close all connections."""
        with self._looking:
            if self._looked is not None:
                self._looked.close()
                self._looked = None
        self._engine.dispose()

    def _shorten_wal(self) -> bool:
        """Bring all that was written into the file, if nobody reads an older state; the WAL is not cut otherwise."""
        with _told(self.path), contextlib.closing(self._engine.raw_connection()) as connection:
            cursor = connection.cursor()
            with _sqlite_waits(cursor, 0):
                is_busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return not is_busy

    def _prepare(self, tables: MetaData, version: int) -> None:
        schema = Table(_VERSION, MetaData(), Column("version", Integer, nullable=False))
        with self.read() as connection:
            names = set(inspect(connection).get_table_names())
            found = connection.scalar(select(schema.c.version)) if _VERSION in names else None
        if found is not None and found > version:
            raise StorageError(
                f"{self.path}: was written by a newer hookd (its schema is {found}, this hookd knows {version}). "
                "Install that hookd again, or move the file away: what is in it is then forgotten."
            )
        if found == version and names.issuperset(tables.tables):
            return
        with self.write() as connection:  # perhaps another process was faster: what it made is not made again
            schema.create(connection, checkfirst=True)
            _add_columns(connection, tables)
            tables.create_all(connection)
            if connection.scalar(select(schema.c.version)) is None:
                connection.execute(insert(schema).values(version=version))
            connection.execute(update(schema).values(version=version))


def _add_columns(connection: Connection, tables: MetaData) -> None:
    """Add the columns and indexes that tables lack which an older hookd made; drop the indexes that are no more."""
    found = inspect(connection)
    for table in tables.sorted_tables:
        if not found.has_table(table.name):
            continue
        there = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}")
        for index in table.indexes:
            index.create(connection, checkfirst=True)
        wanted = {index.name for index in table.indexes}
        for name in {index["name"] for index in found.get_indexes(table.name)} - wanted:
            connection.exec_driver_sql(f"DROP INDEX {name}")


# ---- hookd.sqlite: what must not be forgotten --------------------------------------------------------------------

NAME = "hookd.sqlite"
TABLES = MetaData()

_QUARANTINE = Table(
    "quarantine",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("hook", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("at", Float, nullable=False),  # seconds since 1970
    Column("detail", Text, nullable=False),
)

# What hooks keep by the tool `store`, and what a site uses for it: its row is the lock of the site's changes.
STORE = Table(
    "store",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("bytes", Integer, nullable=False),  # of key and value
    Column("expires", Float),  # seconds since 1970
    Index("store_by_expiry", "site", "expires"),
)
STORE_USE = Table(
    "store_use",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("key_count", Integer, nullable=False),
    Column("byte_count", Integer, nullable=False),
)


class Quarantine:
    """
    Hooks that did what no hook may do: every process and every restart sees them, until the file changes.

    Args:
        state: The state directory.

    Raises:
        StorageError: The database cannot be used.
    """

    def __init__(self, state: Path) -> None:
        self._database = Database(state, NAME, TABLES)

    def add(self, site: str, hook: str, digest: str, detail: str) -> None:
        """
        Keep *hook* of *site* in this version from being run; *detail* says what it did.

        Raises:
            StorageError: The database does not take it.
        """
        row = {"site": site, "hook": hook, "digest": digest}
        with self._database.write() as connection:
            is_known = connection.execute(
                update(_QUARANTINE).filter_by(**row).values(at=time.time(), detail=detail)
            ).rowcount
            if not is_known:
                connection.execute(insert(_QUARANTINE).values(at=time.time(), detail=detail, **row))

    def details(self) -> list[dict[str, Any]]:
        """
        Return every row as it is kept, the oldest first.

        Raises:
            StorageError: The database cannot be read.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(_QUARANTINE).order_by(_QUARANTINE.c.at)).mappings()
            return [dict(row) for row in rows]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


# ---- what only SQLite needs --------------------------------------------------------------------------------------

WAL_TRIES = 50  # changing the journal mode does not wait for locks as all else does
WAL_WAIT_S = 0.1
WAL_BYTES = 64 * 1024 * 1024  # sixteen times what it comes to where readers end
UNUSED_PART = 4  # pages are kept for reuse up to a quarter of those in use: giving back moves others into their place
UNUSED_BYTES = 4 * 1024 * 1024
UNTENDED_PAGES = 8000  # 32 MB beside the file, until whoever writes brings them into it; usual are 1000
CHECKPOINTS = 2  # one after the other, since others write meanwhile: the second has little to copy
LONG_PAGES = 4000  # beside the file: it is begun anew even if that makes others wait
CONNECTIONS = 15  # kept open; more are opened for one use each
GIVEN_PAGES = 256  # at once: 1 MB

# Beginning of SQLite's name for an error → what is wrong, and what to do.
_FAULTS = (
    ("SQLITE_NOTADB", "is no database", "damaged"),
    ("SQLITE_CORRUPT", "is damaged", "damaged"),
    ("SQLITE_FULL", "there is no room left on its disk", "room"),
    ("SQLITE_IOERR", "cannot be written", "room"),
    ("SQLITE_READONLY", "may not be written", "access"),
    ("SQLITE_CANTOPEN", "cannot be opened", "access"),
    ("SQLITE_PERM", "may not be opened", "access"),
    ("SQLITE_BUSY", f"is locked by another program for more than {BUSY_S:g} s", "busy"),
)
_REMEDIES = {
    "damaged": (
        "Put back a copy, or move it away together with its -wal and -shm files: "
        "hookd then makes a new one, and what was in it is forgotten."
    ),
    "room": "Make room there, or set `state` to a directory on another disk.",
    "access": "Let the user that hookd runs as write the file and its directory, or set `state` to another one.",
    "busy": "See who has it open: fuser -v FILE.",
}


def _make(path: Path) -> None:
    """
    Make the file, if it is not there: SQLite would make it readable for all. Its -wal and -shm files take after it.

    One that is there is not opened, since closing it gave up the locks of all connections that this process has to it
    (fcntl(2), sqlite.org/howtocorrupt.html §2.2): another process would take itself for the last one, and remove the
    write-ahead log under them.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    except FileExistsError:
        fault = EISDIR if path.is_dir() else 0 if os.access(path, os.R_OK | os.W_OK) else EACCES
        if fault:
            raise OSError(fault, os.strerror(fault)) from None


def _sqlite_engine(path: Path, *, is_durable: bool, is_tended: bool) -> Engine:
    address = URL.create("sqlite", database=str(path))
    options = {"timeout": BUSY_S, "check_same_thread": False}
    # The one used last still has its pages, if nobody else wrote.
    engine = create_engine(address, connect_args=options, pool_size=CONNECTIONS, pool_use_lifo=True)
    synchronous = "FULL" if is_durable else "NORMAL"

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own: see below
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only counts before there is a table
            _turn_on_wal(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        if is_tended:
            connection.execute(f"PRAGMA wal_autocheckpoint = {UNTENDED_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that takes the write lock at its first write fails where another wrote since its first read.
        reads = connection.get_execution_options().get(_READS)
        driver: Any = connection.connection.driver_connection  # a quarter of the time that SQLAlchemy takes for it
        if reads:
            driver.execute("BEGIN")
        else:
            _sqlite_lock(driver)

    return engine


def _sqlite_lock(driver: sqlite3.Connection) -> None:
    """
    Begin a transaction that has the write lock.

    Left alone, SQLite looks for it ever more seldom, after 1, 3, 8, 18, 33 ms and so on: whoever has it for 4 ms has
    others wait for 8, and those who come later overtake them.
    """
    end = time.monotonic() + BUSY_S
    with _sqlite_waits(driver, 0):
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            time.sleep(LOCK_LOOK_S)


@contextlib.contextmanager
def _sqlite_waits(driver: Any, seconds: float) -> Iterator[None]:
    """Have SQLite wait no longer than this for the locks of others, instead of BUSY_S."""
    driver.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")


def _sqlite_flush(path: Path) -> None:
    """
    Flush the write-ahead log: what is not in it any more was flushed on its way into the file (sqlite.org/wal.html §3).

    That is what `synchronous = FULL` does as well, but at the end of each transaction and before it gives up the lock.
    Closing the log gives up none of this process's locks, which are all on the other two files.
    """
    fd = os.open(_wal(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _sqlite_checkpoint(cursor: Any) -> None:
    """Where the log was copied to its end, the next one who writes begins it anew: it does not grow."""
    pages = copied = 0
    for _ in range(CHECKPOINTS):
        _, pages, copied = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages == copied:
            return
    if pages > LONG_PAGES:  # nobody can write while it waits for those who read
        with _sqlite_waits(cursor, RESTART_S):
            cursor.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    for attempt in range(WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or attempt == WAL_TRIES - 1:
                raise
            time.sleep(WAL_WAIT_S)


def _sqlite_version(driver: Any) -> int:
    return int(driver.execute("PRAGMA data_version").fetchone()[0])


def _sqlite_bytes(connection: Connection) -> tuple[int, int]:
    """Used and unused bytes of the file."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size, free * size


def _wal_bytes(path: Path) -> int:
    try:
        return _wal(path).stat().st_size
    except OSError:
        return 0


def _vacuum(connection: Connection) -> None:
    """Give pages back, one a statement: the driver makes one step of a statement that returns no columns."""
    cursor = connection.connection.cursor()
    for _ in range(GIVEN_PAGES):
        cursor.execute("PRAGMA incremental_vacuum(1)")
    cursor.close()


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}. {_REMEDIES['access']}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(f"{path}: {_fault(error)}") from error


def _fault(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    name = getattr(original, "sqlite_errorname", "")
    for beginning, what, remedy in _FAULTS:
        if name.startswith(beginning):
            return f"{what} ({original}). {_REMEDIES[remedy]}"
    return f"the database does not do this: {original}"
