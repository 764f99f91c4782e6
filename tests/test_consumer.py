"""
Durable work with the real thing: a server, its consumer, and everything that can be killed, filled or taken away.
"""

import contextlib
import json
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from hookd.consumer import engine, lock
from hookd.consumer.engine import GIVEN_UP, RECOVERIES_MAX
from hookd.jobs import DEAD, DONE, NAME, PARKED, Job, Jobs
from tests.conftest import Server, is_alive

PHONE = "process_client_phone"
CALLER = f"""\
def {PHONE}(request, jobs):
    promised = jobs.enqueue("note", request["phone"], key=request.get("call_stage"))
    return {{"phone": promised["id"]}}
"""
NOTE = "def note(job):\n    print('did', job['payload'], job['attempt'])\n"
SLOW = """\
import time


def slow(job):
    print("began", job["payload"]["for_s"])
    end = time.monotonic() + job["payload"]["for_s"]
    while time.monotonic() < end:
        pass
"""
FAST_RETRY = "retry_first_s = 1\nretry_max_s = 1\n"
CHAOS_S = float(os.environ.get("HOOKD_CHAOS_S", "8"))  # 60 for the long version


def inbox(server: Server) -> Jobs:
    return Jobs(server.directory / "var")


def job(server: Server, id_: str) -> Job:
    found = inbox(server).find(id_)
    assert found is not None
    return found


def ended(server: Server, id_: str, state: str = DONE, seconds: float = 30.0) -> Job:
    """Wait until the job has ended so."""
    server.wait(lambda: job(server, id_).state == state, f"{state} of {id_}", seconds)
    return job(server, id_)


def runs(server: Server, text: str) -> list[dict[str, Any]]:
    """Return the log lines of runs that printed *text*."""
    return [line for line in server.lines("run") if text in line.get("print", "")]


def of_engine(server: Server, question: str, *values: str) -> int:
    """Return the number that answers *question* in the engine's records."""
    with contextlib.closing(sqlite3.connect(server.directory / "var" / engine.NAME)) as records:
        [(number,)] = records.execute(question, values)
    return int(number)


def recorded(server: Server, id_: str) -> bool:
    return of_engine(server, "SELECT count(*) FROM operation_outputs WHERE output LIKE ?", f"%{id_}%") == 1


def given_up(server: Server) -> int:
    return of_engine(server, "SELECT count(*) FROM workflow_status WHERE status LIKE 'MAX%'")


def consumer(server: Server) -> int:
    """Return the process id of the consumer as soon as it works."""
    server.wait(lambda: lock.is_held(server.directory / "var") and server.consumer() is not None, "a consumer")
    pid = server.consumer()
    assert pid is not None
    return pid


def test_a_call_leaves_a_job_that_is_done(serve: Callable[..., Server]) -> None:
    """
    What a hook enqueued in a call is done a moment later, once, with what it was given.
    """
    server = serve({f"{PHONE}.py": CALLER, "jobs/note.py": NOTE})

    reply = server.post(PHONE, {"phone": "123"}).json()

    done = ended(server, reply["data"]["phone"])
    assert (done.name, done.payload, done.attempt, done.error) == ("note", "123", 1, "")
    server.wait(lambda: len(runs(server, "did 123 1")) == 1, "the line")


def test_the_consumer_comes_with_the_first_job(serve: Callable[..., Server]) -> None:
    """
    No job hook, no consumer; one is written, and /readyz tells each step; a killed one is replaced.
    """
    server = serve({f"{PHONE}.py": f"def {PHONE}(request):\n    pass\n"})
    assert server.get("readyz").json()["consumer"] == "not needed"
    assert server.consumer() is None

    server.write("jobs/note.py", NOTE)
    server.wait(lambda: server.get("readyz").json()["consumer"] == "running", "the consumer")

    first = consumer(server)
    os.kill(first, signal.SIGKILL)
    server.wait(lambda: server.consumer() not in (None, first), "another consumer")
    server.wait(lambda: server.get("readyz").json()["consumer"] == "running", "the other consumer")
    assert [line["code"] for line in server.lines("consumer_ended")] == [-signal.SIGKILL]


def test_gunicorn_alone_says_that_nobody_does_the_jobs(serve: Callable[..., Server]) -> None:
    """
    Without the supervisor jobs are promised and wait, and /readyz says that the consumer is missing.
    """
    server = serve({"jobs/note.py": NOTE})
    pid = consumer(server)
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        os.kill(pid, signal.SIGTERM)
        server.wait(lambda: not lock.is_held(server.directory / "var"), "the end of the consumer")

        assert server.get("readyz").json()["consumer"] == "missing"
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


def test_a_job_that_fails_is_tried_again(serve: Callable[..., Server]) -> None:
    """
    An attempt that fails leaves its error and a later one; the attempt's number is the job's to see.
    """
    source = "def note(job):\n    print('try', job['attempt'])\n    if job['attempt'] < 3:\n        return 1 / 0\n"
    server = serve({"jobs/note.py": source}, config=f"[jobs.note]\n{FAST_RETRY}")
    id_ = inbox(server).enqueue("default", "note", 1).id

    server.wait(lambda: "ZeroDivisionError" in job(server, id_).error, "an error")
    done = ended(server, id_)

    assert (done.attempt, done.error) == (3, "")
    server.wait(lambda: len(runs(server, "try 3")) == 1, "the line")
    assert [len(runs(server, f"try {number}")) for number in (1, 2, 3)] == [1, 1, 1]


def test_a_job_that_keeps_failing_is_dead(serve: Callable[..., Server]) -> None:
    """
    After its last attempt a job is dead and keeps its error; retry gives it all its attempts again.
    """
    server = serve(
        {"jobs/note.py": "def note(job):\n    return 1 / 0\n"}, config=f"[jobs.note]\nattempts_max = 2\n{FAST_RETRY}"
    )
    id_ = inbox(server).enqueue("default", "note", 1).id

    dead = ended(server, id_, DEAD)

    assert dead.attempt == 2
    assert dead.error.startswith("jobs/note.py:2: ZeroDivisionError: division by zero.")
    loaded = len(server.lines("hook_loaded"))
    server.write("jobs/note.py", "def note(job):\n    print('mended', job['attempt'])\n")
    server.wait(lambda: len(server.lines("hook_loaded")) == loaded + 2, "the mended hook, in both processes")
    assert inbox(server).retry(id_)
    assert ended(server, id_).attempt == 3


def test_a_broken_or_missing_hook_is_a_failure_like_any_other(serve: Callable[..., Server]) -> None:
    """
    A job whose file is broken or gone waits for the next attempt, and is done when the file is good.
    """
    server = serve({"jobs/note.py": "def note(job)\n"}, config=f"[jobs.note]\n{FAST_RETRY}")
    id_ = inbox(server).enqueue("default", "note", 1).id
    server.wait(lambda: "[load]" in job(server, id_).error, "the failure")

    (server.directory / "hooks" / "jobs" / "note.py").unlink()
    server.wait(lambda: "there is no such job" in job(server, id_).error, "the other failure")
    server.write("jobs/note.py", NOTE)

    assert ended(server, id_).attempt > 2


def test_jobs_of_a_site_that_is_gone_wait_for_it(serve: Callable[..., Server]) -> None:
    """
    A job of a removed site is parked with its reason; when the site is back, it is done in the same attempt.
    """
    server = serve({"sites/a/hooks/jobs/note.py": NOTE})
    consumer(server)
    (server.directory / "sites" / "a").rename(server.directory / "away")
    server.wait(lambda: bool(server.lines("site_removed")), "the removal")
    time.sleep(1)  # until the consumer has seen it as well
    id_ = inbox(server).enqueue("a", "note", "x").id

    parked = ended(server, id_, PARKED)
    assert parked.error == "there is no such site now; the job waits until it is back"
    (server.directory / "away").rename(server.directory / "sites" / "a")

    assert ended(server, id_).attempt == 1


def test_a_killed_consumer_repeats_what_it_was_doing(serve: Callable[..., Server]) -> None:
    """
    kill -9 in the middle of a job: the next consumer does it again, as the same attempt; what was done stays done.
    """
    server = serve({"jobs/slow.py": SLOW, "jobs/note.py": NOTE})
    first = consumer(server)
    done = inbox(server).enqueue("default", "note", "before").id
    ended(server, done)
    id_ = inbox(server).enqueue("default", "slow", {"for_s": 1.5}).id
    server.wait(lambda: job(server, id_).state == "running", "the run")

    os.kill(first, signal.SIGKILL)

    again = ended(server, id_)
    assert again.attempt == 1
    server.wait(lambda: len(runs(server, "began 1.5")) == 1, "the line")  # the first was killed before it ended
    assert len(runs(server, "did before")) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_could_not_be_noted_is_noted_by_the_next_consumer(serve: Callable[..., Server], number: int) -> None:
    """
    A run whose result is recorded, and that was not written into the inbox when the consumer ended, is not repeated.
    """
    server = serve({"jobs/slow.py": SLOW})
    first = consumer(server)
    id_ = inbox(server).enqueue("default", "slow", {"for_s": 1}).id
    server.wait(lambda: job(server, id_).state == "running", "the run")

    with contextlib.closing(sqlite3.connect(server.directory / "var" / NAME)) as held:
        held.execute("BEGIN IMMEDIATE")
        server.wait(lambda: recorded(server, id_), "the record")
        os.kill(first, number)
        server.wait(lambda: not is_alive(first), "the end", 30)
        assert job(server, id_).state == "running"

    assert ended(server, id_).attempt == 1
    assert len(runs(server, "began 1")) == 1


@pytest.mark.parametrize("kills", [1, 2])
def test_a_batch_that_was_begun_too_often_is_a_failure(serve: Callable[..., Server], kills: int) -> None:
    """
    What was being done each time that the consumer died counts as one failed attempt, also where the consumer that
    gives it up dies as well; it is tried again. What is recorded of others that began with it is not repeated.
    """
    server = serve({"jobs/slow.py": SLOW, "jobs/note.py": NOTE}, config=f"[jobs.slow]\n{FAST_RETRY}")
    server.wait(lambda: server.lines("consumer_up") != [], "a consumer")
    id_, other = (
        inbox(server).enqueue("default", name, about).id for name, about in (("slow", {"for_s": 4}), ("note", 1))
    )
    server.wait(lambda: recorded(server, other) and job(server, id_).state == "running", "the record")

    with contextlib.closing(sqlite3.connect(server.directory / "var" / engine.NAME)) as records, records:
        records.execute(
            "UPDATE workflow_status SET recovery_attempts = ? WHERE status = 'PENDING'", [RECOVERIES_MAX + 1]
        )
    for _ in range(kills):
        pid = consumer(server)
        os.kill(pid, signal.SIGKILL)
        server.wait(lambda killed=pid: server.consumer() not in (None, killed) and given_up(server) > 0, "the end")  # type: ignore[misc]

    server.wait(lambda: job(server, id_).error != "", "the failure")
    assert job(server, id_).error == GIVEN_UP
    again = ended(server, id_)
    assert (again.attempt, again.error) == (2, "")
    assert (job(server, other).state, job(server, other).attempt) == (DONE, 1)
    assert (len(runs(server, "did 1")), len(runs(server, "began 4"))) == (1, 1)


def test_a_promise_outlives_the_process_that_made_it(serve: Callable[..., Server]) -> None:
    """
    kill -9 of the HTTP process as soon as its answer is there: the job is done all the same.
    """
    server = serve({f"{PHONE}.py": CALLER, "jobs/note.py": NOTE})
    promised = []
    for number in range(3):
        [http] = server.http()
        promised.append(server.post(PHONE, {"phone": f"call {number}"}).json()["data"]["phone"])
        os.kill(http, signal.SIGKILL)
        server.session.close()
        server.wait(lambda killed=http: _is_up(server) and server.http() != [killed], "another HTTP process")  # type: ignore[misc]

    for number, id_ in enumerate(promised):
        assert ended(server, id_).payload == f"call {number}"


def _is_up(server: Server) -> bool:
    try:
        return server.get("readyz").status_code == 200
    except requests.RequestException:
        return False


def test_kills_lose_and_double_nothing(serve: Callable[..., Server]) -> None:
    """
    While consumer and HTTP processes are killed at random, every accepted job is done, and none that was done again.
    """
    server = serve({f"{PHONE}.py": CALLER, "jobs/note.py": NOTE, "jobs/slow.py": SLOW}, processes=2)
    consumer(server)
    accepted: dict[str, str] = {}
    is_over = threading.Event()

    def call() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            try:
                reply = requests.post(f"{server.url}/{PHONE}", json={"phone": f"n{number}"}, timeout=5)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if reply.headers["Hookd-Outcome"] == "ok":
                accepted[reply.json()["data"]["phone"]] = f"n{number}"
            time.sleep(0.01)

    seen_done: dict[str, str] = {}  # payload → when it was done, at the latest
    thread = threading.Thread(target=call)
    thread.start()
    end = time.monotonic() + CHAOS_S
    try:
        while time.monotonic() < end:
            time.sleep(random.uniform(0.3, 1.5))
            now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()  # the line of a run comes a moment later
            for one in inbox(server).all(state=DONE):
                seen_done.setdefault(one.payload, now)
            victims = [*server.http(), *filter(None, [server.consumer()])]
            if victims:
                os.kill(random.choice(victims), signal.SIGKILL)
    finally:
        is_over.set()
        thread.join()

    server.wait(lambda: inbox(server).counts()[DONE] >= len(accepted), "the end of all jobs", 60)
    found = {one.id: one for one in inbox(server).all()}
    assert {id_: found[id_].payload for id_ in accepted} == accepted
    assert {one.state for one in found.values()} == {DONE}
    assert len(accepted) > 20
    ran = [(line["print"].split()[1], line["time"]) for line in runs(server, "did ")]
    assert [(payload, at) for payload, at in ran if payload in seen_done and at > seen_done[payload]] == []


def test_a_full_disk_loses_nothing(serve: Callable[..., Server]) -> None:
    """
    With no room left, nothing is promised that is not kept: hooks are told, and all that was accepted is done later.
    """
    source = CALLER.replace("    return", "    print('promised')\n    return")
    server = serve({f"{PHONE}.py": source, "jobs/note.py": NOTE, "jobs/slow.py": SLOW})
    worker = consumer(server)
    accepted = [server.post(PHONE, {"phone": "early"}).json()["data"]["phone"]]
    running = inbox(server).enqueue("default", "slow", {"for_s": 1}).id
    server.wait(lambda: job(server, running).state == "running", "the run")
    full = [worker, *server.http()]
    for pid in full:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))

    refused = server.explain(PHONE, {"phone": "late"})
    time.sleep(2)  # in which the running job ends, and nothing can be recorded
    for pid in full:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    accepted.append(server.post(PHONE, {"phone": "later"}).json()["data"]["phone"])

    assert (refused["outcome"], refused["reason"]) == ("fallback", "error")
    assert "nothing is promised" in refused["error"]["message"]
    assert [ended(server, id_).payload for id_ in accepted] == ["early", "later"]
    assert ended(server, running, seconds=60).state == DONE
    assert {one.payload for one in inbox(server).all(name="note")} == {"early", "later"}


ENDLESS = f"""\
def {PHONE}(request, jobs):
    for number in range(3):
        jobs.enqueue("note", number, delay_s=600)
    return {{"phone": "never"}}
"""
ALERT = """\
def alert(job):
    print("told", job["payload"]["cause"], job["payload"]["subject"], job["payload"]["error"])
"""


def test_a_hook_that_enqueues_endlessly_is_told(serve: Callable[..., Server]) -> None:
    """
    Beyond the site's limit nothing is promised: the hook's error names it, the call goes on with its own number, and
    the site's people are told once, by a job that the limit does not keep out.
    """
    hooks = {f"{PHONE}.py": ENDLESS, "jobs/note.py": NOTE, "jobs/alert.py": ALERT}
    server = serve(hooks, config="[site]\njobs_waiting_max = 2\n")
    consumer(server)

    runs_ = [server.explain(PHONE, {"phone": "123"}) for _ in range(2)]

    full = re.compile(
        r"site default has [2-4] jobs and events that have not ended, 0 MB with those that have\. That is all it may "
        r"have: jobs_waiting_max\. `hookd jobs list` and `hookd events list` show them\."
    )
    for run in runs_:
        assert (run["outcome"], run["reason"], run["reply"]["data"]) == ("fallback", "error", {"phone": "123"})
        assert re.search(rf"jobs\.enqueue: nothing is promised: {full.pattern}", run["error"]["text"])
    server.wait(lambda: len(runs(server, "told full jobs_waiting_max site default has ")) == 1, "the alert")
    assert [bool(full.fullmatch(line["error"])) for line in server.lines("inbox_full")] == [True]
    assert len(inbox(server).all(name="note")) == 2
    figures = server.get("metrics").text
    assert 'hookd_lost_jobs_total{kind="job",reason="full",site="default"} 2.0' in figures


def test_there_is_one_consumer(serve: Callable[..., Server]) -> None:
    """
    A second consumer on the same directory says who is first, and exits with 2.
    """
    server = serve({"jobs/note.py": NOTE})
    pid = consumer(server)

    second = subprocess.run(
        [sys.executable, "-m", "hookd", "consume", "--config", str(server.directory / "hookd.toml")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    state = server.directory / "var"
    assert second.returncode == 2
    assert second.stderr == (
        f"hookd: {state}: another consumer works here already, process {pid}; one does all the work there is\n"
    )


def test_stopping_waits_for_running_jobs(serve: Callable[..., Server]) -> None:
    """
    SIGTERM: a job that runs may end, one that is due waits for the next start.
    """
    server = serve({"jobs/slow.py": SLOW})
    consumer(server)
    id_ = inbox(server).enqueue("default", "slow", {"for_s": 2}).id
    server.wait(lambda: job(server, id_).state == "running", "the run")

    assert server.stop() == 0

    assert job(server, id_).state == DONE


def test_a_job_that_does_not_end_is_left_for_the_next_start(serve: Callable[..., Server]) -> None:
    """
    A job that runs for longer than stopping waits is ended without a result, and is begun again by the next consumer.
    """
    server = serve({"jobs/slow.py": SLOW})
    pid = consumer(server)
    id_ = inbox(server).enqueue("default", "slow", {"for_s": 40}).id
    server.wait(lambda: job(server, id_).state == "running", "the run")

    os.kill(pid, signal.SIGTERM)

    server.wait(lambda: not is_alive(pid), "the end", 30)
    server.wait(lambda: server.consumer() not in (None, pid), "another consumer", 30)
    assert (job(server, id_).attempt, job(server, id_).ended_at) == (1, None)
    server.wait(lambda: job(server, id_).state == "running", "the run again", 30)
    assert server.lines("consumer_ended")[-1]["code"] == 0


def test_a_hangup_starts_both_children_anew(serve: Callable[..., Server]) -> None:
    """
    SIGHUP: gunicorn replaces its HTTP processes, and the next consumer takes the place of this one; nothing is lost.
    """
    server = serve({f"{PHONE}.py": CALLER, "jobs/note.py": NOTE})
    pid, http = consumer(server), server.http()
    id_ = inbox(server).enqueue("default", "note", "before", delay_s=2).id

    server.process.send_signal(signal.SIGHUP)

    server.wait(lambda: server.consumer() not in (None, pid), "another consumer", 30)
    server.wait(lambda: bool(server.http()) and not set(server.http()) & set(http), "other HTTP processes", 30)
    ended(server, id_)
    assert server.process.poll() is None


def test_the_figures_count_jobs(serve: Callable[..., Server]) -> None:
    """
    /metrics has the number of jobs in each state.
    """
    server = serve({f"{PHONE}.py": CALLER, "jobs/note.py": NOTE})
    ended(server, server.post(PHONE, {"phone": "1"}).json()["data"]["phone"])
    inbox(server).enqueue("default", "note", 1, delay_s=99)

    figures = [line for line in server.get("metrics").text.splitlines() if line.startswith("hookd_jobs{")]

    assert 'hookd_jobs{state="done"} 1.0' in figures
    assert 'hookd_jobs{state="waiting"} 1.0' in figures


def test_the_children_end_with_the_supervisor(serve: Callable[..., Server]) -> None:
    """
    kill -9 of the supervisor: HTTP processes, consumer and all their workers are gone a moment later.
    """
    server = serve({"jobs/note.py": NOTE})
    consumer(server)
    pids = server.descendants()

    server.process.kill()

    server.wait(lambda: not any(map(is_alive, pids)), "the end of all")


def test_a_killed_gunicorn_is_replaced(serve: Callable[..., Server]) -> None:
    """
    kill -9 of gunicorn's own process: its HTTP processes end with it, and others serve at the same address.
    """
    server = serve({f"{PHONE}.py": f"def {PHONE}(request):\n    return {{'phone': '7'}}\n"})
    [arbiter] = [pid for pid in server.descendants() if server.http()[0] in _children_of(pid)][:1]

    orphans = server.http()

    os.kill(arbiter, signal.SIGKILL)
    server.session.close()

    server.wait(lambda: not any(map(is_alive, orphans)), "the end of the HTTP processes")

    server.wait(lambda: bool(server.lines("http_died")), "the line")
    server.wait(lambda: _answers(server), "an answer", 30)
    assert not set(server.http()) & set(orphans)


def _children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _answers(server: Server) -> bool:
    server.session.close()
    try:
        reply: bool = server.post(PHONE, {"phone": "1"}).json()["data"] == {"phone": "7"}
    except (requests.RequestException, json.JSONDecodeError):
        return False
    return reply


def test_the_exit_code_is_gunicorns(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    An address that is taken is told before anything is started; where it is taken after that, the supervisor ends with
    gunicorn's word and code, and does not try for ever.
    """
    server = serve({})
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hookd.toml").write_text(f'bind = "127.0.0.1:{server.port}"\n')

    told, ended = (
        subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        for command in (["hookd", "serve"], ["hookd.supervisor"])
    )

    assert (told.returncode, told.stderr) == (
        2,
        f"hookd: bind = '127.0.0.1:{server.port}': Address already in use. Stop the program that listens there, or set "
        "`bind` in hookd.toml.\n",
    )
    assert ended.returncode == 1
    assert "Connection in use" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_interrupts_end_it_as_sigterm_does(serve: Callable[..., Server], number: int) -> None:
    """
    Whoever sends the supervisor alone SIGINT or SIGQUIT, as some process managers do, has it end with all its children,
    and nothing is killed half-way.
    """
    server = serve({})

    assert server.stop(number) == 0

    assert "SIGKILL" not in server.log()


@pytest.fixture
def closure() -> Callable[[str], set[str]]:
    """Tell what a process has imported after it imported a module."""

    def imported(module: str) -> set[str]:
        code = f"import sys, {module}; print(*sorted(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        return set(done.stdout.split())

    return imported


@pytest.mark.parametrize("module", ["hookd.web.asgi", "hookd.cli", "hookd.supervisor"])
def test_only_the_consumer_has_dbos(closure: Callable[[str], set[str]], module: str) -> None:
    """
    HTTP processes, commands and the supervisor import nothing of DBOS.
    """
    assert "dbos" not in closure(module)


def test_the_supervisor_is_small(closure: Callable[[str], set[str]]) -> None:
    """
    The supervisor has nothing of what serves.
    """
    heavy = {"sqlalchemy", "structlog", "jsonschema", "flask", "gunicorn", "hookd.service", "hookd.runner"}

    assert not heavy & closure("hookd.supervisor")
