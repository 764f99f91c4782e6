"""
What hookd keeps stays whole: whoever writes at the same time, is killed, or finds no room.
"""

import errno
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select

from hookd.errors import StorageError
from hookd.storage import NAME, TABLES, Database, Quarantine

PROCESS_S = 60.0

# Adds rows from a number on, and says each that is kept.
WRITER = """
import sys
from pathlib import Path
from hookd.storage import Quarantine

rows = Quarantine(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    rows.add("default", f"hook_{number}", "digest", sys.argv[4] * 1000)
    print(number, flush=True)
"""


def writer(state: Path, first: int, end: int, *, detail: str = "x") -> list[str]:
    return [sys.executable, "-c", WRITER, str(state), str(first), str(end), detail]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var"


def held(rows: Quarantine) -> frozenset[tuple[str, str, str]]:
    """Site, hook and digest of all that is in quarantine."""
    return frozenset((row["site"], row["hook"], row["digest"]) for row in rows.details())


def test_quarantine_is_kept(state: Path) -> None:
    """
    A row is there once for whoever opens the database later, with what was seen last.
    """
    first = Quarantine(state)
    first.add("default", "process_client_phone", "aa", "a socket")
    first.add("default", "process_client_phone", "aa", "a process")
    first.add("default", "process_client_phone", "bb", "a socket")
    first.add("acme", "process_client_phone", "aa", "a socket")
    first.close()
    second = Quarantine(state)

    hook = "process_client_phone"
    assert held(second) == {("default", hook, "aa"), ("default", hook, "bb"), ("acme", hook, "aa")}
    assert [(row["site"], row["digest"], row["detail"]) for row in second.details()] == [
        ("default", "aa", "a process"),
        ("default", "bb", "a socket"),
        ("acme", "aa", "a socket"),
    ]
    second.close()


def test_a_file_that_is_opened_twice_keeps_its_locks(state: Path) -> None:
    """
    A process may open a database again while it has it open: other processes that come and go see all that it writes.
    """
    table = Table("numbers", MetaData(), Column("number", Integer))
    query = "SELECT number FROM numbers ORDER BY number"
    visit = f"import sqlite3; c = sqlite3.connect({str(state / 'n.sqlite')!r}); print(*c.execute({query!r})); c.close()"
    database = Database(state, "n.sqlite", table.metadata)
    seen = []

    for number in range(3):
        with database.write() as connection:
            connection.execute(insert(table).values(number=number))
        Database(state, "n.sqlite", table.metadata).close()
        done = subprocess.run(
            [sys.executable, "-c", visit], check=True, capture_output=True, text=True, timeout=PROCESS_S
        )
        seen.append(done.stdout.strip())

    database.close()
    assert seen == ["(0,)", "(0,) (1,)", "(0,) (1,) (2,)"]


def test_nobody_else_may_read_what_is_kept(state: Path) -> None:
    """
    The directory and every file in it are the owner's alone, whatever the umask allows.
    """
    before = os.umask(0)
    try:
        rows = Quarantine(state)
        rows.add("default", "process_client_phone", "aa", "")
    finally:
        os.umask(before)

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert modes == {NAME: 0o600, f"{NAME}-wal": 0o600, f"{NAME}-shm": 0o600}
    rows.close()


def test_what_was_committed_is_flushed_to_the_disk(state: Path) -> None:
    """
    WAL, so that readers and a writer do not wait for each other, and a flush for each commit.
    """
    database = Database(state, NAME, TABLES)

    with database.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "auto_vacuum")
        ]

    assert found == ["wal", 2, 5000, 2]
    database.close()


def test_a_flush_that_fails_is_told(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is flushed after its transaction is on the disk, or somebody is told; the disk's own word for it is passed on.
    """
    database = Database(state, NAME, TABLES, is_durable=False)
    flushed: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: flushed.append(os.readlink(f"/proc/self/fd/{fd}")))
    with database.write() as connection:
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    database.flush()

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(StorageError) as error:
        database.flush()

    assert (synchronous, flushed) == (1, [f"{state / NAME}-wal"])
    assert str(error.value).startswith(f"{state / NAME}: cannot be written: Input/output error. Make room there")
    database.close()


def test_a_log_that_is_tended_does_not_grow(state: Path) -> None:
    """
    Those who write leave it to one who tends: what is beside the file is used again, and is all in it at the end.
    """
    numbers = Table("numbers", MetaData(), Column("number", Integer), Column("text", Text))
    database = Database(state, "n.sqlite", numbers.metadata, is_durable=False, is_tended=True)
    log = state / "n.sqlite-wal"

    sizes = []
    for number in range(40):
        with database.write() as connection:
            connection.execute(insert(numbers), [{"number": number, "text": "x" * 4000}] * 100)
        database.tend()
        sizes.append(log.stat().st_size)

    assert sizes[-1] < 2 * sizes[0]
    alone = sqlite3.connect(f"file:{state / 'n.sqlite'}?immutable=1", uri=True)  # without the log
    assert alone.execute("SELECT count(*) FROM numbers").fetchone() == (4000,)
    alone.close()
    database.close()


def test_processes_may_make_the_database_at_the_same_moment(state: Path) -> None:
    """
    Whoever comes first makes the file; all write to it, and nothing is lost.
    """
    processes = [subprocess.Popen(writer(state, 20 * n, 20 * n + 20), stdout=subprocess.DEVNULL) for n in range(6)]

    assert [process.wait(PROCESS_S) for process in processes] == [0] * 6

    rows = Quarantine(state)
    assert held(rows) == {("default", f"hook_{number}", "digest") for number in range(120)}
    rows.close()


def test_threads_share_a_database(state: Path) -> None:
    """
    An object may be used by several threads.
    """
    rows = Quarantine(state)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: rows.add("default", f"hook_{number}", "digest", ""), range(40)))

    assert len(held(rows)) == 40
    rows.close()


@pytest.mark.parametrize("killed_after", [1, 7, 30])
def test_a_kill_loses_nothing_that_was_committed(state: Path, killed_after: int) -> None:
    """
    After kill -9 in the middle of writing, what was said to be kept is there, and the database goes on.
    """
    process = subprocess.Popen(writer(state, 0, 100_000), stdout=subprocess.PIPE, bufsize=0)  # every line is counted
    assert process.stdout
    for _ in range(killed_after):
        process.stdout.readline()
    process.kill()
    said = killed_after + process.communicate(timeout=PROCESS_S)[0].count(b"\n")

    rows = Quarantine(state)
    kept = held(rows)
    rows.add("default", "after", "digest", "")

    assert {("default", f"hook_{number}", "digest") for number in range(said)} <= kept
    assert len(kept) <= said + 1  # the one that was committed and not yet said
    assert len(held(rows)) == len(kept) + 1
    rows.close()


def test_a_newer_schema_stops_the_start(state: Path) -> None:
    """
    A file that a newer hookd wrote is left alone, and whoever starts the older one is told both numbers.
    """
    Database(state, NAME, TABLES, version=3).close()

    with pytest.raises(StorageError) as caught:
        Quarantine(state)

    assert str(caught.value) == (
        f"{state}/{NAME}: was written by a newer hookd (its schema is 3, this hookd knows 1). "
        "Install that hookd again, or move the file away: what is in it is then forgotten."
    )


def test_tables_that_are_missing_are_made(state: Path) -> None:
    """
    A hookd that keeps more adds its tables to the file that is there.
    """
    rows = Quarantine(state)
    rows.add("default", "process_client_phone", "aa", "")
    rows.close()
    more = MetaData()
    table = Table("more", more, Column("number", Integer, primary_key=True), Column("text", Text))

    database = Database(state, NAME, more)
    with database.write() as connection:
        connection.execute(insert(table).values(number=1, text="x"))
    with database.read() as connection:
        found = [tuple(row) for row in connection.execute(select(table))]
    database.close()
    rows = Quarantine(state)

    assert found == [(1, "x")]
    assert len(held(rows)) == 1
    rows.close()


def _no_database(path: Path) -> None:
    path.write_bytes(b"no database at all, " * 500)


def _torn(path: Path) -> None:
    Quarantine(path.parent).close()
    with path.open("r+b") as file:
        file.seek(100)  # after the header
        file.write(b"\xff" * 8000)


def _locked(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_database, "is no database (file is not a database). Put back a copy, or move it away "),
        (_torn, "is damaged (database disk image is malformed). Put back a copy, or move it away "),
        (_locked, "cannot be opened: Is a directory. Let the user that hookd runs as write the file "),
    ],
)
def test_a_damaged_file_stops_the_start(state: Path, spoil: Callable[[Path], None], said: str) -> None:
    """
    What cannot be read is neither used nor overwritten; the message says what to do.
    """
    state.mkdir()
    path = state / NAME
    spoil(path)

    with pytest.raises(StorageError) as caught:
        Quarantine(state)

    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_state_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    """
    A file where the directory should be is told by its path.
    """
    (tmp_path / "var").write_text("")

    with pytest.raises(StorageError) as caught:
        Quarantine(tmp_path / "var")

    assert str(caught.value).startswith(f"{tmp_path}/var/{NAME}: cannot be opened: File exists. Let the user ")


@pytest.mark.parametrize("is_new", [True, False])
def test_a_directory_that_may_not_be_written_is_told(state: Path, is_new: bool) -> None:
    """
    Without the right to write, the start ends with the place and the remedy; root without its privilege included.
    """
    if is_new:
        state.mkdir()
    else:
        Quarantine(state).close()
        (state / NAME).chmod(0o400)
    state.chmod(0o500)
    command = writer(state, 0, 1)
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", *command]

    done = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_S)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"hookd.errors.StorageError: {state}/{NAME}: cannot be opened: Permission denied. Let the user that hookd "
    )


def test_a_full_disk_is_told_and_costs_no_row(state: Path) -> None:
    """
    Where there is no room, adding fails with the reason; what was kept before stays, and goes on when there is room.
    """
    Quarantine(state).close()

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(writer(state, 0, 1000), capture_output=True, text=True, timeout=PROCESS_S, preexec_fn=no_room)
    said = len(done.stdout.split())
    rows = Quarantine(state)
    kept = held(rows)
    rows.add("default", "after", "digest", "")

    assert done.returncode == 1
    assert f"hookd.errors.StorageError: {state}/{NAME}: cannot be written (disk I/O error). Make room " in done.stderr
    assert 0 < said < 1000
    assert kept == {("default", f"hook_{number}", "digest") for number in range(said)}
    rows.close()


def test_a_lock_that_stays_is_told(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A program that holds the database does not hold up hookd for ever.
    """
    monkeypatch.setattr("hookd.storage.BUSY_S", 0.1)
    rows = Quarantine(state)
    other = sqlite3.connect(state / NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageError) as caught:
        rows.add("default", "process_client_phone", "aa", "")

    assert str(caught.value).startswith(f"{state}/{NAME}: is locked by another program for more than ")
    assert held(rows) == frozenset()  # readers do not wait
    other.close()
    rows.close()
