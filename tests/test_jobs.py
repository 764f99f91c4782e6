"""
The inbox: what is promised is on the disk, once for each key, and says how it stands.
"""

import contextlib
import errno
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event, update

from hookd import jobs
from hookd.errors import InboxFullError, JobError
from hookd.jobs import (
    DEAD,
    DONE,
    EVENT,
    JOB,
    KEPT_S,
    LOOP,
    PARKED,
    RUNNING,
    WAITING,
    Job,
    Jobs,
    Note,
    Old,
    Promise,
    Quota,
    Use,
)

SITE = "default"


@pytest.fixture
def inbox(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


def found(inbox: Jobs, id_: str) -> Job:
    job = inbox.find(id_)
    assert job is not None
    return job


def age(inbox: Jobs, seconds: float) -> None:
    """Let every job that has ended have ended that much earlier."""
    with inbox._database().write() as connection:
        connection.execute(update(jobs._JOBS).values(ended_at=jobs._C.ended_at - seconds))


def test_a_job_is_found_as_it_was_promised(inbox: Jobs) -> None:
    """
    What enqueue took is what find returns, from any other process too.
    """
    before = time.time()

    promise = inbox.enqueue(SITE, "note", {"text": "ё", "list": [1, None, 2.5]}, delay_s=3, key="call-1")

    job = found(Jobs(inbox.path.parent), promise.id)
    assert promise.is_new
    assert before <= job.enqueued_at <= time.time()
    assert job == Job(
        id=promise.id,
        site=SITE,
        kind=JOB,
        name="note",
        key="call-1",
        payload={"text": "ё", "list": [1, None, 2.5]},
        state=WAITING,
        attempt=1,
        first=1,
        lane=None,
        reason=None,
        enqueued_at=job.enqueued_at,
        due_at=job.enqueued_at + 3,
        ended_at=None,
        error="",
    )


def test_a_key_is_one_job(inbox: Jobs) -> None:
    """
    A second job with the same key is the first one; another site, another job or no key is another one.
    """
    first = inbox.enqueue(SITE, "note", 1, key="k")

    again = inbox.enqueue(SITE, "note", 2, key="k")
    others = [
        inbox.enqueue("other", "note", 3, key="k"),
        inbox.enqueue(SITE, "call", 3, key="k"),
        inbox.enqueue(SITE, "note", 3),
        inbox.enqueue(SITE, "note", 3),
    ]

    assert (again.id, again.is_new) == (first.id, False)
    assert found(inbox, first.id).payload == 1
    assert all(other.is_new for other in others)
    assert len({first.id, *(other.id for other in others)}) == 5


def test_a_key_is_free_again_seven_days_after_the_end(inbox: Jobs) -> None:
    """
    A key counts until 7 days after its job has ended, and as long as it has not.
    """
    first = inbox.enqueue(SITE, "note", 1, key="k")
    inbox.note([Note(first.id, 1, DONE, 1)])
    age(inbox, KEPT_S - 60)
    assert not inbox.enqueue(SITE, "note", 2, key="k").is_new
    age(inbox, 120)

    second = inbox.enqueue(SITE, "note", 2, key="k")

    assert second.is_new
    assert inbox.find(first.id) is None


def test_a_key_is_one_job_for_many_at_once(tmp_path: Path) -> None:
    """
    Threads and processes that promise the same job at the same moment get the same id.
    """
    code = (
        "import sys; from pathlib import Path; from hookd.jobs import Jobs\n"
        f"print(*[Jobs(Path({str(tmp_path)!r})).enqueue('default', 'note', 1, key=str(n)).id for n in range(20)])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    inbox = Jobs(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        ours = list(threads.map(lambda n: inbox.enqueue(SITE, "note", 1, key=str(n % 20)).id, range(80)))

    theirs = [process.communicate(timeout=60)[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert all(ids == ours[:20] for ids in (*theirs, ours[20:40], ours[40:60], ours[60:]))
    assert len(inbox.all()) == 20


def test_those_who_promise_together_share_a_flush(inbox: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    While one flushes, others wait, and are then written in one go; the same key among them is one job.
    """
    inbox.enqueue(SITE, "note", 0)
    flushes, begun, may_end = [], threading.Event(), threading.Event()

    def flush(fd: int) -> None:
        flushes.append(len(inbox.all()))
        begun.set()
        may_end.wait(30)

    monkeypatch.setattr(os, "fdatasync", flush)
    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(inbox.enqueue, SITE, "note", 1)
        begun.wait(30)
        others = [threads.submit(inbox.enqueue, SITE, "note", 2, key=f"k{number % 4}") for number in range(8)]
        while len(inbox._orders) < 8:
            time.sleep(0.01)
        assert not any(one.done() for one in (first, *others))
        may_end.set()

    assert flushes == [2, 6]
    promises = [one.result() for one in others]
    assert [promise.is_new for promise in promises].count(True) == 4
    assert {promise.id for promise in promises} == {job.id for job in inbox.all() if job.payload == 2}


def test_what_cannot_be_flushed_is_not_promised(inbox: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Everybody whose job was written in vain is told, and the next promise is made as ever.
    """
    inbox.enqueue(SITE, "note", 0)

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken, ThreadPoolExecutor(4) as threads:
        broken.setattr(os, "fdatasync", fail)
        refused = [threads.submit(inbox.enqueue, SITE, "note", number) for number in range(4)]
        errors = [str(one.exception()) for one in refused]

    assert all("inbox.sqlite: cannot be written: Input/output error." in error for error in errors)
    assert inbox.enqueue(SITE, "note", 5).is_new


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"payload": "x" * 65_535},
            "the payload has 65537 bytes as JSON; 65536 are allowed. Hand over an id, and have the job fetch the rest.",
        ),
        (
            {"payload": {1, 2}},
            "the payload is no JSON: Type is not JSON serializable: set. Hand over texts, numbers, lists and dicts.",
        ),
        (
            {"payload": 1, "delay_s": 30 * 86_400 + 1},
            "delay_s is 2.592e+06. Seconds from 0 to 2592000, 30 days, are allowed.",
        ),
        ({"payload": 1, "delay_s": -1}, "delay_s is -1. Seconds from 0 to 2592000, 30 days, are allowed."),
        ({"payload": 1, "key": ""}, "the key has 0 characters. 1 to 200 are allowed."),
        ({"payload": 1, "key": "k" * 201}, "the key has 201 characters. 1 to 200 are allowed."),
    ],
)
def test_what_may_not_be_promised_is_refused(inbox: Jobs, arguments: dict[str, Any], message: str) -> None:
    """
    Too much, too late or nameless is told with its limit, and nothing is enqueued.
    """
    with pytest.raises(JobError) as error:
        inbox.enqueue(SITE, "note", **arguments)

    assert str(error.value) == message
    assert inbox.all() == []


def limited(state: Path, **quota: int) -> Jobs:
    """An inbox in which each site may have so much."""
    chosen = Quota(**{"waiting": 1000, "mb": 1000, **quota})
    return Jobs(state, quota=lambda site: chosen)


def test_a_site_has_room_for_so_many_jobs(tmp_path: Path) -> None:
    """
    What is beyond the limit is refused with the setting, until one has ended; a known key and another site need no
    room, and what hookd itself tells has always some.
    """
    told: list[tuple[str, str]] = []
    quota = {SITE: Quota(2, 1), "other": Quota(1, 1)}
    inbox = Jobs(tmp_path, quota=quota.get, on_full=lambda site, error: told.append((site, error.setting)))
    first = inbox.enqueue(SITE, "note", 1, key="k")
    inbox.enqueue(SITE, "other", {"n": 1}, kind=EVENT)

    with pytest.raises(InboxFullError) as error:
        inbox.enqueue(SITE, "note", 3)

    assert str(error.value) == (
        "site default has 2 jobs and events that have not ended, 0 MB with those that have. "
        "That is all it may have: jobs_waiting_max. `hookd jobs list` and `hookd events list` show them."
    )
    assert told == [(SITE, "jobs_waiting_max")]
    assert inbox.enqueue(SITE, "note", 1, key="k") == Promise(first.id, is_new=False)
    assert inbox.enqueue("other", "note", 1).is_new
    assert inbox.enqueue("unlimited", "note", 1).is_new
    assert inbox.enqueue(SITE, "alert", 1, is_limited=False).is_new
    inbox.note([Note(job.id, 1, DONE, 1) for job in inbox.all(site=SITE)[:2]])
    assert inbox.enqueue(SITE, "note", 3).is_new
    with pytest.raises(InboxFullError):
        inbox.enqueue(SITE, "note", 4)


def test_a_site_has_room_for_so_many_bytes(tmp_path: Path) -> None:
    """
    Jobs that have ended count as long as they are known, so that many short ones fill no disk either.
    """
    inbox = limited(tmp_path, mb=1)
    for _ in range(16):
        inbox.note([Note(inbox.enqueue(SITE, "note", "x" * 65_000).id, 1, DONE, 1)])

    with pytest.raises(InboxFullError) as error:
        inbox.enqueue(SITE, "note", "x")

    assert (error.value.setting, error.value.message) == (
        "jobs_mb_max",
        "site default has 0 jobs and events that have not ended, 1 MB with those that have.",
    )
    inbox.purge(Old(JOB, DONE, time.time() + 1))
    assert inbox.enqueue(SITE, "note", "x").is_new


def counted(inbox: Jobs) -> dict[str, Use]:
    """What sites have, as their rows say."""
    sites: dict[str, list[Job]] = {}
    for job in inbox.all():
        sites.setdefault(job.site, []).append(job)
    return {
        site: Use(
            sum(job.ended_at is None for job in found),
            sum(len(orjson.dumps(job.payload).decode()) + jobs.ROW_BYTES for job in found),
        )
        for site, found in sites.items()
    }


def test_what_a_site_has_is_counted_right_whatever_becomes_of_jobs(inbox: Jobs) -> None:
    """
    Done, dead, tried again, parked, released, purged, forgotten, a key that is free again: the row is as the jobs are.
    """
    choice = random.Random(7)
    others: list[Callable[[], object]] = [
        inbox.release,
        lambda: inbox.unpark([SITE]),
        lambda: inbox.purge(Old(JOB, choice.choice([DEAD, DONE]), time.time() + 1)),
        lambda: inbox.forget_ended(time.time()),
        lambda: age(inbox, KEPT_S / 3),
    ]
    for number in range(300):
        known = inbox.all()
        job = choice.choice(known) if known else None
        step = choice.randrange(9)
        if job is None or step < 4:
            inbox.enqueue(choice.choice([SITE, "other"]), "note", "ё" * choice.randrange(50), key=str(number % 60))
        elif step < 7:
            state = choice.choice([DONE, DEAD, PARKED, RUNNING, WAITING])
            inbox.note([Note(job.id, job.attempt, state, job.attempt, reason=choice.choice([None, LOOP]))])
        elif step == 7:
            inbox.retry(job.id)
        else:
            choice.choice(others)()
        uses = {site: use for site, use in inbox.uses().items() if use != Use()}
        assert uses == counted(inbox)


def test_processes_fill_a_site_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    """
    However many enqueue at the same moment, as many are promised as there is room for.
    """
    code = (
        "import sys; from pathlib import Path; from hookd.errors import InboxFullError\n"
        "from hookd.jobs import Jobs, Quota\n"
        f"jobs = Jobs(Path({str(tmp_path)!r}), quota=lambda site: Quota(50, 9))\n"
        "taken = 0\n"
        "for _ in range(40):\n"
        "    try:\n"
        "        taken += jobs.enqueue('default', 'note', 1).is_new\n"
        "    except InboxFullError:\n"
        "        pass\n"
        "print(taken)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]

    taken = [int(process.communicate(timeout=60)[0]) for process in processes]

    inbox = Jobs(tmp_path)
    assert (sum(taken), len(inbox.all()), inbox.uses()[SITE].waiting) == (50, 50, 50)


def test_an_inbox_of_an_older_hookd_is_counted(tmp_path: Path) -> None:
    """
    What was promised before there were limits counts, from the first start on.
    """
    older = Jobs(tmp_path)
    ids = [older.enqueue(SITE, "note", "ё" * number).id for number in range(3)]
    older.note([Note(ids[0], 1, DONE, 1)])
    older.close()
    with contextlib.closing(sqlite3.connect(older.path)) as connection:
        connection.execute("DROP TABLE jobs_uses")
        for name in ("added", "ended", "forgotten"):
            connection.execute(f"DROP TRIGGER jobs_{name}")
        connection.execute("CREATE TABLE jobs_sizes (site TEXT, bytes INTEGER)")  # which its processes still use
        connection.commit()

    inbox = limited(tmp_path, waiting=2)

    assert inbox.uses() == counted(inbox)
    assert inbox.uses()[SITE].waiting == 2
    with pytest.raises(InboxFullError):
        inbox.enqueue(SITE, "note", 1)
    with contextlib.closing(sqlite3.connect(inbox.path)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs_sizes").fetchall() == [(0,)]


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    """
    Whoever mistypes a job's name learns the right ones.
    """
    with pytest.raises(JobError) as error:
        jobs.check_name("cal_back", ["call_back", "alert"])

    assert str(error.value) == "there is no job 'cal_back'. It is a file hooks/jobs/NAME.py. Jobs: alert, call_back."


def test_what_is_due_comes_one_of_each_site_in_turn(inbox: Jobs) -> None:
    """
    A site with many jobs does not keep another one's waiting; what is not due, or taken, does not come.
    """
    many = [inbox.enqueue("many", "note", number).id for number in range(4)]
    few = inbox.enqueue("few", "note", 0).id
    inbox.enqueue("few", "note", 0, delay_s=60)
    taken = inbox.enqueue("few", "note", 0).id
    inbox.take([taken])

    assert [job.id for job in inbox.due(JOB, 3)] == [many[0], few, many[1]]


def test_who_looks_leaves_nothing_half_read(tmp_path: Path) -> None:
    """
    More may be due than is wanted: whoever gets the connection next can write, although others have written meanwhile.
    """
    inbox = Jobs(tmp_path)
    for site in ("a", "b"):
        for _ in range(20):
            inbox.enqueue(site, "note", 1)
    written = []

    with contextlib.closing(sqlite3.connect(inbox.path, isolation_level=None)) as other:

        @event.listens_for(inbox._database()._engine, "checkin")
        def write(connection: sqlite3.Connection, record: object) -> None:
            other.execute("UPDATE jobs SET error = 'other'")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            written.append(record)

        found = inbox.due(JOB, 3)

    assert [job.site for job in found] == ["a", "b", "a"]
    assert len(written) == 1
    inbox.close()


def test_notes_count_for_their_own_attempt_alone(inbox: Jobs) -> None:
    """
    An attempt that is over, and a job that has ended, are changed by nothing that comes late.
    """
    id_ = inbox.enqueue(SITE, "note", 1).id
    inbox.take([id_])

    inbox.note([Note(id_, 1, RUNNING, 1)])
    assert found(inbox, id_).state == RUNNING
    inbox.note([Note(id_, 1, WAITING, 2, due_at=5.0, error="no luck"), Note(id_, 1, RUNNING, 1)])
    assert inbox.due(JOB, 9) == [found(inbox, id_)]
    inbox.note([Note(id_, 2, DONE, 2), Note(id_, 2, WAITING, 3)])

    job = found(inbox, id_)
    assert (job.state, job.attempt, job.first, job.error) == (DONE, 2, 1, "")
    assert job.ended_at is not None


def test_parked_jobs_wait_for_their_site(inbox: Jobs) -> None:
    """
    A parked job says why, is not due, and waits again when its site is back, with no failure more.
    """
    id_ = inbox.enqueue("gone", "note", 1).id
    inbox.note([Note(id_, 1, PARKED, 2, error="there is no such site", forgives=True)])

    assert (found(inbox, id_).state, found(inbox, id_).error) == (PARKED, "there is no such site")
    assert inbox.due(JOB, 9) == []
    assert not inbox.has_parked(["other"])
    assert inbox.has_parked(["other", "gone"])
    inbox.unpark(["gone"])

    [job] = inbox.due(JOB, 9)
    assert (job.id, job.state, job.attempt, job.first) == (id_, WAITING, 2, 2)


def test_a_dead_job_is_tried_anew(inbox: Jobs) -> None:
    """
    retry gives a dead job all its attempts again; a job that is done, or unknown, is none to try.
    """
    dead, done = inbox.enqueue(SITE, "note", 1).id, inbox.enqueue(SITE, "note", 1).id
    later = inbox.enqueue(SITE, "note", 1, delay_s=999).id
    inbox.note([Note(dead, 1, DEAD, 1, error="e"), Note(done, 1, DONE, 1)])

    assert [inbox.retry(id_) for id_ in (dead, done, later, "unknown")] == [True, False, True, False]

    job = found(inbox, dead)
    assert (job.state, job.attempt, job.first, job.ended_at) == (WAITING, 2, 2, None)
    assert {job.id for job in inbox.due(JOB, 9)} == {dead, later}


def test_events_on_one_object_come_one_at_a_time(inbox: Jobs) -> None:
    """
    Of a lane the oldest is due, and no other before it has ended or waits to be tried again; other lanes go on.
    """

    def event(number: int, lane: str | None, site: str = SITE) -> str:
        return inbox.enqueue(site, "other", {"n": number}, kind=EVENT, lane=lane).id

    first, second, other, alone, elsewhere = (
        event(1, "p/deal:1"),
        event(2, "p/deal:1"),
        event(3, "p/deal:2"),
        event(4, None),
        event(5, "p/deal:1", "b"),
    )
    inbox.enqueue(SITE, "note", {})

    assert {job.id for job in inbox.due(EVENT, 9)} == {first, other, alone, elsewhere}
    inbox.take([first])
    assert second not in {job.id for job in inbox.due(EVENT, 9)}
    inbox.note([Note(first, 1, WAITING, 2, due_at=time.time() + 60, error="later")])
    assert {job.id for job in inbox.due(EVENT, 9)} == {second, other, alone, elsewhere}


def test_what_is_due_is_found_among_thousands(inbox: Jobs) -> None:
    """
    To look costs what is returned, not what waits.
    """
    ticks: list[None] = []

    def cost_with(number: int) -> int:
        row: dict[str, Any] = {
            "kind": EVENT,
            "name": "other",
            "key": None,
            "payload": "{}",
            "state": WAITING,
            "error": "",
        }
        row |= {"attempt": 1, "first": 1, "is_taken": False, "enqueued_at": 0.0}
        rows = [
            {**row, "id": f"{number}-{n:05}", "site": "ab"[n % 2], "lane": f"p/deal:{n // 3}", "due_at": n}
            for n in range(number)
        ]
        with inbox._database().write() as connection:
            connection.execute(jobs._INSERT, rows)
            driver: Any = connection.connection.driver_connection  # the only one of this process
            driver.set_progress_handler(lambda: ticks.append(None), 10)
        ticks.clear()
        assert len(inbox.due(EVENT, 20)) == 20
        return len(ticks)

    few, many = cost_with(100), cost_with(10_000)

    assert 0 < few <= many < 2 * few


def test_what_was_parked_as_a_loop_waits_for_somebody(inbox: Jobs) -> None:
    """
    It has its reason, is not let go with its site, is tried when asked for, and is forgotten like the dead.
    """
    id_ = inbox.enqueue(SITE, "other", {}, kind=EVENT, lane="p/deal:1").id
    inbox.note([Note(id_, 1, PARKED, 1, error="too often", reason=LOOP)])

    assert not inbox.has_parked([SITE])
    inbox.unpark([SITE])
    parked = found(inbox, id_)
    assert (parked.state, parked.reason, parked.error, parked.ended_at is None) == (PARKED, LOOP, "too often", False)
    assert inbox.retry(id_)
    again = found(inbox, id_)
    assert (again.state, again.reason, again.attempt, again.ended_at) == (WAITING, None, 2, None)


def test_kinds_are_told_apart(inbox: Jobs) -> None:
    """
    Jobs and events have lists, figures and purges of their own.
    """
    job, event = inbox.enqueue(SITE, "x", {}).id, inbox.enqueue(SITE, "x", {}, kind=EVENT).id
    inbox.note([Note(job, 1, DEAD, 1), Note(event, 1, DEAD, 1)])

    assert [one.id for one in inbox.all(kind=EVENT)] == [event]
    assert [inbox.counts(kind=kind)[DEAD] for kind in (JOB, EVENT, None)] == [1, 1, 2]
    assert inbox.purge(Old(JOB, DEAD, time.time() + 1)) == 1
    assert (inbox.find(job), inbox.find(event) is None) == (None, False)


def test_an_inbox_of_an_older_hookd_is_taken_over(inbox: Jobs, tmp_path: Path) -> None:
    """
    What was promised before there were lanes is done; and a parked job waits for its site.
    """
    id_ = inbox.enqueue(SITE, "note", {"a": 1}).id
    inbox.close()
    with contextlib.closing(sqlite3.connect(inbox.path)) as connection:
        for name in ("jobs_taken", "jobs_in_turn"):
            connection.execute(f"DROP INDEX {name}")
        connection.execute("CREATE INDEX jobs_by_due ON jobs (state, due_at)")
        connection.execute("ALTER TABLE jobs DROP COLUMN lane")
        connection.execute("ALTER TABLE jobs DROP COLUMN reason")
        connection.execute("UPDATE schema_version SET version = 1")
        connection.execute("UPDATE jobs SET state = 'parked'")
        connection.commit()

    taken_over = Jobs(inbox.path.parent)

    assert taken_over.has_parked([SITE])
    taken_over.unpark([SITE])
    assert [(job.id, job.lane, job.reason) for job in taken_over.due(JOB, 9)] == [(id_, None, None)]
    assert taken_over.enqueue(SITE, "other", {}, kind=EVENT, lane="p/x:1").is_new
    taken_over.close()
    with contextlib.closing(sqlite3.connect(inbox.path)) as connection:
        found = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql <> ''")
        }
    assert found == {index.name for index in jobs._JOBS.indexes}


def test_counts_lists_and_forgets(inbox: Jobs) -> None:
    """
    Jobs are counted by state, listed by what they are, and purged by state and age.
    """
    ids = [inbox.enqueue(SITE, "note", number).id for number in range(450)]
    other = inbox.enqueue("other", "call", 1).id
    inbox.note([Note(id_, 1, DEAD, 1, error="e") for id_ in ids[:401]])

    assert inbox.counts() == {WAITING: 50, RUNNING: 0, DONE: 0, DEAD: 401, PARKED: 0}
    assert [job.id for job in inbox.all(site="other")] == [other]
    assert [job.id for job in inbox.all(name="call", state=WAITING)] == [other]
    assert len(inbox.all(state=DEAD, most=7)) == 7
    assert inbox.purge(Old(JOB, DEAD, time.time() - 60)) == 0
    assert inbox.purge(Old(JOB, DEAD, time.time() + 1)) == 401
    assert inbox.counts() == {WAITING: 50, RUNNING: 0, DONE: 0, DEAD: 0, PARKED: 0}


def test_what_the_consumer_has_is_not_purged(inbox: Jobs) -> None:
    """
    A purge takes what is so of its kind and site, and nothing that may be running or about to.
    """
    mine, theirs, taken = (inbox.enqueue(site, "note", 1).id for site in (SITE, "b", SITE))
    inbox.take([taken])
    old = Old(JOB, WAITING, time.time() + 1)

    assert inbox.counted(old) == {"b": 1, SITE: 1}
    assert inbox.purge(replace(old, kind=EVENT)) == 0
    assert inbox.purge(replace(old, site=SITE)) == 1
    assert [inbox.find(id_) is None for id_ in (mine, theirs, taken)] == [True, False, False]


def test_what_ended_long_ago_is_forgotten_in_steps(inbox: Jobs) -> None:
    """
    Each step of forgetting is short, and jobs that have not ended stay.
    """
    ids = [inbox.enqueue(SITE, "note", number).id for number in range(250)]
    inbox.note([Note(id_, 1, DONE, 1) for id_ in ids[:249]])
    age(inbox, KEPT_S)

    steps = [inbox.forget_ended(time.time() - KEPT_S + 60) for _ in range(3)]

    assert steps == [200, 49, 0]
    assert [job.id for job in inbox.all()] == ids[249:]


def test_a_new_consumer_finds_what_the_dead_one_had(inbox: Jobs) -> None:
    """
    Jobs that were taken or running are due again; what has ended stays so.
    """
    taken, running, done = (inbox.enqueue(SITE, "note", number).id for number in range(3))
    inbox.take([taken, running, done])
    inbox.note([Note(running, 1, RUNNING, 1), Note(done, 1, DONE, 1)])

    inbox.release()

    assert [job.id for job in inbox.due(JOB, 9)] == [taken, running]
    assert found(inbox, done).state == DONE


def test_a_job_is_a_plain_document(inbox: Jobs) -> None:
    """
    A hook gets exactly these keys.
    """
    job = replace(found(inbox, inbox.enqueue(SITE, "note", {"a": 1}, key="k").id), enqueued_at=12.5)

    assert jobs.document(job) == {
        "id": job.id,
        "name": "note",
        "attempt": 1,
        "payload": {"a": 1},
        "enqueued_at": 12.5,
        "key": "k",
    }
