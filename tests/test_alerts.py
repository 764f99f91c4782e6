"""
A site's people are told, by its own job, when something begins to go wrong: once a cause and hour.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookd.alerts import LEVEL_FILE, Alerts
from hookd.hook_files import HookFiles
from hookd.hooks import Snapshot
from hookd.jobs import Jobs
from hookd.settings import load_site
from hookd.sites import Site
from tests.conftest import Server
from tests.test_consumer import consumer, inbox, runs

PHONE = "process_client_phone"
ALERT = "def alert(job):\n    print('told', job['payload']['cause'], job['payload']['subject'])\n"


def told(server: Server) -> list[tuple[str, str]]:
    """Cause and subject of each alert, oldest first."""
    found = inbox(server).all(name="alert")
    return [(job.payload["cause"], job.payload["subject"]) for job in reversed(found)]


def test_a_hook_that_starts_to_fail_is_told_once(serve: Callable[..., Server]) -> None:
    """
    The first failure is told with its error, by the job; what goes on failing is not told again.
    """
    server = serve({f"{PHONE}.py": f"def {PHONE}(request):\n    return 1 / 0\n", "jobs/alert.py": ALERT})
    consumer(server)

    for _ in range(3):
        server.post(PHONE, {"phone": "1"})

    server.wait(lambda: len(runs(server, f"told failing {PHONE}")) == 1, "the alert")
    [job] = inbox(server).all(name="alert")
    assert sorted(job.payload) == ["at", "cause", "error", "reason", "run", "site", "subject"]
    assert job.payload["error"].startswith(f"{PHONE}.py:2: ZeroDivisionError")
    time.sleep(0.5)
    assert told(server) == [("failing", PHONE)]


def test_a_broken_file_and_a_dead_job_are_told(serve: Callable[..., Server]) -> None:
    """
    A broken edit is told by each process, and enqueued once; so is a job that is dead. The alert itself is not.
    """
    server = serve(
        {"jobs/alert.py": ALERT, "jobs/note.py": "def note(job):\n    return 1 / 0\n"},
        config="[jobs.note]\nattempts_max = 1\n",
        processes=2,
    )
    consumer(server)

    server.write(f"{PHONE}.py", f"def {PHONE}(request)\n")
    server.wait(lambda: told(server) == [("broken", PHONE)], "the first alert")
    inbox(server).enqueue("default", "note", 1)

    server.wait(lambda: len(told(server)) == 3, "the other alerts")
    assert sorted(told(server)) == [("broken", PHONE), ("dead", "jobs/note"), ("failing", "jobs/note")]
    server.write("jobs/alert.py", "def alert(job)\n")
    time.sleep(2.5)
    assert len(told(server)) == 3


def site_of(directory: Path, hooks: dict[str, Any]) -> Site:
    async def check(message: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError

    files = HookFiles("default", directory, None, check)
    files.snapshot = Snapshot(hooks=hooks)
    return Site("default", directory, load_site(directory), files)


@pytest.mark.parametrize(("hooks", "causes"), [({"jobs/alert": None}, ["isolation"]), ({}, [])])
def test_a_weaker_sandbox_is_told(tmp_path: Path, hooks: dict[str, Any], causes: list[str]) -> None:
    """
    A level below the one before, be it of the last start, is told to the sites that have the job, once.
    """
    jobs = Jobs(tmp_path)
    site = site_of(tmp_path, hooks)

    async def look(*levels: str) -> None:
        alerts = Alerts(jobs, tmp_path)
        for level in levels:
            await alerts._watch_level([site], level)
        await alerts.close()

    asyncio.run(look("L3", "L3"))
    asyncio.run(look("L4", "L2", "L2"))

    assert [job.payload["cause"] for job in jobs.all()] == causes
    assert (tmp_path / LEVEL_FILE).read_text() == "L2\n"
    assert [(job.payload["subject"], job.payload["before"]) for job in jobs.all()] == [("L2", "L4")] * len(causes)
