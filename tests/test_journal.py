"""
The journal keeps every run that it may, costs no call, stays within its bounds, and names nobody.
"""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookd import journal, metrics, settings, storage
from hookd.errors import UsageError
from hookd.history import History, Wanted
from hookd.hook_files import HookFiles
from hookd.journal import Journal
from hookd.runs import Failure, Origin, Run
from hookd.settings import PointSettings, Settings
from hookd.sites import Site
from hookd.storage import Database
from hookd.tools import ToolCall
from tests.conftest import Server

PHONE = "process_client_phone"
CANARY, CANARY_FORMS = "79031234567", ("+7 (903) 123-45-67", "89031234567", 79031234567)
TOKEN, OPERATOR, STRAY = "canary-token-0123456789", "canary-operator-0123456", "canarystray0123456"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a second of work takes more."""
    monkeypatch.setattr(journal, "CLOSE_S", 60.0)


@pytest.fixture
def installation(tmp_path: Path) -> Settings:
    (tmp_path / "hooks").mkdir()
    return settings.load(None, tmp_path)


def site_of(installation: Settings, **changes: Any) -> Site:
    async def check(message: dict[str, Any]) -> dict[str, Any]:
        return message

    hooks = HookFiles("default", installation.hooks, None, check)
    return Site("default", installation.base, replace(installation.site, **changes), hooks)


def run_of(number: int, *, ago_s: float = 0, **facts: Any) -> Run:
    milliseconds = int((time.time() - ago_s) * 1000)
    run = Run(f"{milliseconds:012x}{number:08x}", "default", PHONE, outcome="ok", times_ms={"total": 1.5})
    for name, value in facts.items():
        setattr(run, name, value)
    return run


def origin_of(document: Any, path: str = f"/{PHONE}", headers: Mapping[bytes, bytes] | None = None) -> Origin:
    return Origin("POST", path, headers or {}, json.dumps(document).encode())


def record(installation: Settings, runs: list[Run], document: Any = None, site: Site | None = None) -> None:
    """Write *runs*, all with the request *document*, as a process of its own lifetime does."""
    writing = Journal(installation)
    writing.start()
    for run in runs:
        writing.add(run, site or site_of(installation), document, origin_of(document))
        while len(writing._queue) > journal.QUEUE_RUNS // 2:
            time.sleep(0.01)
    writing.close()


def ids(installation: Settings, **wanted: Any) -> list[str]:
    with History(installation) as history:
        return [entry.id for entry in history.latest(Wanted(**wanted), 10_000)]


def kept(installation: Settings, beginning: str) -> dict[str, Any]:
    with History(installation) as history:
        return history.get(beginning)


# ---- what is kept ----------------------------------------------------------------------------------------------


def test_a_run_is_kept_whole(installation: Settings) -> None:
    """
    Request, reply, outcome, error, warnings, what was printed, times, digest, call, isolation and tool calls are there.
    """
    failure = Failure("error", "ZeroDivisionError: division by zero.", "", "The number went out unchanged.", "a.py", 3)
    run = run_of(
        1, outcome="fallback", reason="error", reply={"data": {"phone": "101"}}, error=failure, printed="hello\n",
        digest="ab" * 32, linkedid="1700000000.12", isolation="L3",
        calls=[ToolCall("http", "get", "crm.example.ru", 1.5)],
    )  # fmt: skip

    record(installation, [run], {"phone": "101"})

    assert kept(installation, run.run_id) == {
        "run_id": run.run_id,
        "site": "default",
        "point": PHONE,
        "outcome": "fallback",
        "reason": "error",
        "reply": {"data": {"phone": "101"}},
        "error": {
            "code": "error",
            "file": "a.py",
            "line": 3,
            "message": "ZeroDivisionError: division by zero.",
            "remedy": "",
            "text": str(failure),
        },
        "warnings": [],
        "print": "hello\n",
        "calls": [
            {
                "tool": "http",
                "method": "get",
                "summary": "crm.example.ru",
                "ms": 1.5,
                "error": None,
                "would_call": None,
            }
        ],
        "times_ms": {"total": 1.5},
        "digest": "ab" * 32,
        "linkedid": "1700000000.12",
        "isolation": "L3",
        "request": {"phone": "101"},
        "raw": None,
        "at": journal.at(run.run_id).isoformat(),
        "omitted": [],
        "phones": "masked",
    }


@pytest.mark.parametrize(
    ("site", "point", "is_kept", "is_raw"),
    [
        ("on", None, True, False),
        ("raw", None, True, True),
        ("off", None, False, False),
        ("off", "on", True, False),
        ("on", "off", False, False),
        ("on", "raw", True, True),
    ],
)
def test_sites_and_points_say_what_is_kept(
    installation: Settings, site: str, point: str | None, is_kept: bool, is_raw: bool
) -> None:
    """
    `record` of the point counts, else that of the site; raw keeps method, path and headers too.
    """
    place = site_of(installation, record=site, points={PHONE: PointSettings(record=point)})

    record(installation, [run_of(1)], {"phone": "101"}, place)

    assert len(ids(installation)) == int(is_kept)
    if is_kept:
        raw = {"method": "POST", "path": f"/{PHONE}", "headers": {}}
        assert kept(installation, ids(installation)[0])["raw"] == (raw if is_raw else None)


def test_long_parts_are_left_out(installation: Settings) -> None:
    """
    A part over 64 KB is left out and named; the rest of the run is there.
    """
    run = run_of(1, printed="x" * 70_000, reply={"data": {}})

    record(installation, [run], {"phone": "1" * 70_000})

    found = kept(installation, run.run_id)
    assert (found["request"], found["print"], found["reply"]) == (None, None, {"data": {}})
    assert found["omitted"] == ["request", "print"]


def test_odd_documents_are_kept_too(installation: Settings) -> None:
    """
    Integers of any length and texts of any character come back as they were.
    """
    document = {"big": -(2**70), "text": "\u0000\u200b\U0001f600", "float": 1e300, "": [[], {}]}
    place = site_of(installation, record_phones="plain")

    record(installation, [run_of(1)], document, place)

    assert kept(installation, ids(installation)[0])["request"] == document


# ---- bounds ----------------------------------------------------------------------------------------------------


def test_old_runs_are_deleted(installation: Settings) -> None:
    """
    What is older than journal_days goes when newer runs come, however much of it there is in a while.
    """
    days = 86_400 * installation.journal_days
    old = [run_of(number, ago_s=days + 60) for number in range(100)]
    young = [run_of(number, ago_s=days - 3600) for number in range(100, 103)]
    record(installation, old + young, {"phone": "101"})

    for number in range(200, 203):
        record(installation, [run_of(number)], {"phone": "101"})

    assert ids(installation)[:3] == [run.run_id for run in young]
    assert len(ids(installation)) == 6


def test_the_file_does_not_grow_beyond_its_bound(installation: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The oldest runs make room for new ones, and the files stay within journal_mb and a batch.
    """
    monkeypatch.setattr(journal, "SHARE", 1.0)
    small = replace(installation, journal_mb=8)
    runs = [run_of(number, printed="x" * 20_000) for number in range(900)]

    record(small, runs[:450], {"phone": "101"})
    first = sum(path.stat().st_size for path in small.state.glob("runs.sqlite*"))
    record(small, runs[450:], {"phone": "101"})
    size = sum(path.stat().st_size for path in small.state.glob("runs.sqlite*"))

    found = ids(small)
    assert found == [run.run_id for run in runs[-len(found) :]]
    assert 200 < len(found) < 420
    assert max(first, size) < 9.5 * 1024 * 1024


def test_a_smaller_bound_gives_room_back(installation: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A journal that is told to be smaller shrinks as runs come, in small steps.
    """
    monkeypatch.setattr(journal, "SHARE", 1.0)
    record(replace(installation, journal_mb=64), [run_of(n, printed="x" * 20_000) for n in range(1200)], {})
    file = installation.state / "runs.sqlite"
    before = file.stat().st_size
    small = replace(installation, journal_mb=8)

    for number in range(20):
        record(small, [run_of(2000 + number)], {})

    assert before > 24_000_000
    assert file.stat().st_size < 14_000_000


def test_a_full_queue_refuses_runs_and_says_so(installation: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """
    More runs at once than fit are dropped, counted, and told in one line; those that fit are kept.
    """
    before = lost("queue")
    writing = Journal(installation)
    for number in range(journal.QUEUE_RUNS + 50):
        writing.add(run_of(number), site_of(installation), {}, origin_of({}))
    writing.start()
    writing.close()

    assert lost("queue") - before == 50
    assert len(ids(installation)) == journal.QUEUE_RUNS
    assert capfd.readouterr().out.count("runs_not_recorded") == 1


def test_large_requests_do_not_fill_the_memory(installation: Settings) -> None:
    """
    The queue is bounded in bytes as well.
    """
    writing = Journal(installation)
    place = site_of(installation)
    before = lost("queue")
    for number in range(20):
        writing.add(run_of(number), place, {}, origin_of("x" * 1_000_000))
    writing.start()
    writing.close()

    assert lost("queue") - before == 11
    assert len(ids(installation)) == 9


def lost(reason: str) -> float:
    return float(metrics.LOST_RUNS.labels(reason)._value.get())


# ---- trouble ---------------------------------------------------------------------------------------------------

WRITER = """
import sys, time
from pathlib import Path
from hookd import settings
from hookd.journal import Journal
from tests.test_journal import run_of, site_of, origin_of, lost

installation = settings.load(None, Path(sys.argv[1]))
journal = Journal(installation)
journal.start()
place = site_of(installation)
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    journal.add(run_of(number, printed="x" * 1000), place, {}, origin_of({}))
    time.sleep(0.001)
journal.close()
print(int(lost("storage") + lost("queue")))
"""


def writer(installation: Settings, first: int, end: int, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(installation.base), str(first), str(end)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        **options,
    )


def test_processes_write_to_one_journal(installation: Settings) -> None:
    """
    The runs of all HTTP processes are in one file, and none is lost.
    """
    processes = [writer(installation, 200 * n, 200 * n + 200) for n in range(3)]

    said = [process.communicate(timeout=60)[0] for process in processes]

    assert [line.split()[-1] for line in said] == ["0"] * 3
    assert len(ids(installation)) == 600


def test_a_kill_leaves_a_journal_that_goes_on(installation: Settings) -> None:
    """
    After kill -9 in the middle of writing, what was written can be read, and the next process adds to it.
    """
    process = writer(installation, 0, 100_000)
    assert process.stdout
    end = time.monotonic() + 30
    while not _has_runs(installation) and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    before = ids(installation)

    record(installation, [run_of(999_999)], {})

    assert before
    assert ids(installation)[:-1] == before


def _has_runs(installation: Settings) -> bool:
    try:
        return bool(ids(installation))
    except UsageError:
        return False


def test_a_full_disk_costs_runs_and_nothing_else(installation: Settings) -> None:
    """
    Where the file cannot grow, runs are dropped and counted; the process goes on, and so does the journal later.
    """

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = writer(installation, 0, 600, preexec_fn=no_room)
    out = process.communicate(timeout=60)[0]
    lines = [line for line in out.splitlines() if "runs_not_recorded" in line]
    before = len(ids(installation))
    record(installation, [run_of(999_999)], {})

    assert process.returncode == 0
    assert len(lines) == 1
    assert "cannot be written" in lines[0]
    assert int(out.split()[-1]) + before == 600
    assert len(ids(installation)) == before + 1


def test_a_reader_that_does_not_end_costs_runs_and_no_disk(
    installation: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    While a program holds a state of the journal, what is written piles up beside it, up to a bound, and no further.
    """
    monkeypatch.setattr(storage, "WAL_BYTES", 1_000_000)
    monkeypatch.setattr(journal, "SHARE", 1.0)
    record(installation, [run_of(1)], {})
    reader = sqlite3.connect(installation.state / "runs.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM runs").fetchall()
    before = lost("storage")

    other = Database(installation.state, journal.NAME, journal.TABLES)  # keeps the WAL from being deleted
    record(installation, [run_of(n, printed="x" * 20_000) for n in range(2, 400)], {})
    beside = (installation.state / "runs.sqlite-wal").stat().st_size
    reader.close()
    record(installation, [run_of(1000)], {})

    assert lost("storage") > before
    assert beside < 5_000_000
    assert "a program that reads it does not end" in capfd.readouterr().out
    assert ids(installation)[-1].endswith(f"{1000:08x}")
    other.close()


@pytest.mark.parametrize("name", ["runs.sqlite", "journal.key"])
def test_a_journal_that_cannot_be_opened_costs_runs(
    installation: Settings, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    A damaged journal is told, with what to do; it stops nothing.
    """
    (installation.state / name).mkdir(parents=True)
    before = lost("storage")

    record(installation, [run_of(1), run_of(2)], {})

    said = capfd.readouterr().out
    assert lost("storage") - before == 2
    assert said.count("journal_unusable") == 1
    assert "calls are answered, and not recorded" in said


# ---- nobody is named -------------------------------------------------------------------------------------------

CANARY_HOOK = f"""\
def {PHONE}(request):
    print("who:", request["phone"], request.get("note"))
    if request["phone"] == "crash":
        raise ValueError(f"no such number: {{request['other']}} token={{request['access_token']}}")
    return {{"phone": request["phone"]}}
"""


def files_with(directory: Path, needles: list[bytes]) -> dict[str, list[bytes]]:
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != "hookd.toml":
            data = path.read_bytes()
            if there := [needle for needle in needles if needle in data]:
                found[str(path.relative_to(directory))] = there
    return found


def test_no_number_and_no_token_gets_anywhere(serve: Callable[..., Server]) -> None:
    """
    A number in every form and place, and tokens in header, path, body, print and error, are in no file, log or figure.
    """
    config = f'operator_tokens = ["{OPERATOR}"]\n[site]\nrecord = "raw"\ntokens = ["{TOKEN}"]\n'
    server = serve({f"{PHONE}.py": CANARY_HOOK}, config=config)
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Api-Key": STRAY, "X-Caller": f"+{CANARY}"}
    for form in CANARY_FORMS:
        document = {
            "phone": form,
            "note": f"{TOKEN} {OPERATOR}",
            "access_token": STRAY,
            "call_full": {
                "channel": {"id": f"PJSIP/{CANARY}-1", "from": {"number": form}},
                "record": f"https://user:{STRAY}@pbx/2025/101-{CANARY}-20250312-1741763700.31.wav",
                CANARY: {"n": int(CANARY)},
            },
        }
        path = f"{PHONE}?phone=8%20903%20123-45-67&token={STRAY}"
        assert server.post(path, document, headers=headers).status_code == 200
    server.post(PHONE, {"phone": "crash", "other": CANARY, "access_token": STRAY}, headers=headers)
    server.post(PHONE, {"phone": {"n": CANARY}}, headers=headers)
    server.wait(lambda: len(recorded(server)) == 4, "the journal")

    needles = [CANARY[1:], CANARY[-7:], "123-45-67", "123 45 67", TOKEN, OPERATOR, STRAY]
    encoded = [needle.encode() for needle in needles]
    figures = server.get("metrics", headers={"Authorization": f"Bearer {OPERATOR}"}).text

    assert files_with(server.directory, encoded) == {}
    assert not [needle for needle in needles if needle in figures]
    requests = [run["request"] for run in recorded(server)]
    assert len({str(request["phone"])[-2:] for request in requests[:3]}) == 1  # the same caller, three times
    assert requests[0]["phone"][:8] == "+7 (903)"
    assert requests[2]["phone"] // 10**7 == 7903
    server.stop()
    assert files_with(server.directory, encoded) == {}


def recorded(server: Server) -> list[dict[str, Any]]:
    """Return the runs in the journal of *server*, the oldest first."""
    installation = settings.load(server.directory / "hookd.toml", server.directory)
    try:
        with History(installation) as history:
            return [history.get(entry.id) for entry in history.latest(Wanted(), 1000)]
    except UsageError:
        return []


def test_what_is_left_is_written_when_hookd_stops(serve: Callable[..., Server]) -> None:
    """
    The runs of the last moment are in the journal, of every process.
    """
    server = serve({f"{PHONE}.py": f"def {PHONE}(request):\n    return None\n"}, processes=2)
    sent = [server.post(PHONE, {"phone": str(number)}).headers["Hookd-Run-Id"] for number in range(30)]

    os.kill(server.process.pid, signal.SIGTERM)
    server.process.wait(30)

    assert sorted(run["run_id"] for run in recorded(server)) == sorted(sent)
