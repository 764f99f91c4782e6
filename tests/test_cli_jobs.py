"""
Commands about jobs, as people type them.
"""

import json
import os
import pty
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hookd.jobs import DEAD, DONE, PARKED, Jobs, Note

MOSCOW = ZoneInfo("Europe/Moscow")
HOOK = "def note(job, settings):\n    print('did', job['payload'], job['attempt'], settings.get('chat'))\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with settings and one job hook."""
    (tmp_path / "hooks" / "jobs").mkdir(parents=True)
    (tmp_path / "hookd.toml").write_text('[site]\ntime_zone = "Europe/Moscow"\n')
    (tmp_path / "hooks" / "jobs" / "note.py").write_text(HOOK)
    return tmp_path


def hookd(site: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hookd", *arguments]
    return subprocess.run(command, cwd=site, input=given, capture_output=True, text=True, timeout=60)


def promised(site: Path) -> tuple[Jobs, list[str]]:
    """Three jobs: one that waits, one that is dead, one that is parked."""
    inbox = Jobs(site / "var")
    ids = [inbox.enqueue("default", "note", {"n": number}, key=f"k{number}").id for number in range(3)]
    inbox.note([Note(ids[1], 1, DEAD, 1, error="no luck"), Note(ids[2], 1, PARKED, 1, error="no site")])
    return inbox, ids


def test_nothing_was_promised(site: Path) -> None:
    """
    Where there is no inbox, the commands say so, and make none.
    """
    listed = hookd(site, "jobs", "list")
    shown = hookd(site, "jobs", "show", "x")

    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "there is no such job\n")
    assert (shown.returncode, shown.stderr) == (
        2,
        "hookd: there is no job 'x'; `hookd jobs list` tells those that there are\n",
    )
    assert not (site / "var").exists()


def test_lists_jobs(site: Path) -> None:
    """
    A line for each, the newest last; a filter each for state and name; a warning where nobody does them.
    """
    _, ids = promised(site)

    done = hookd(site, "jobs", "list")
    dead = hookd(site, "jobs", "list", "--state", "dead", "--name", "note", "--site", "default", "--format", "json")

    assert done.returncode == 0
    assert done.stderr == "warning: 1 job waits and no consumer runs: start `hookd serve`, or `hookd consume`\n"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["id", "site", "name", "state", "attempt", "due", "or", "ended", "error"]
    assert [line[:5] for line in lines[1:]] == [
        [ids[0], "default", "note", "waiting", "1"],
        [ids[1], "default", "note", "dead", "1"],
        [ids[2], "default", "note", "parked", "1"],
    ]
    due = json.loads(hookd(site, "jobs", "show", ids[0]).stdout)["due_at"]
    assert " ".join(lines[1][5:7]) == f"{datetime.fromisoformat(due).astimezone(MOSCOW):%Y-%m-%d %H:%M:%S}"
    [found] = json.loads(dead.stdout)
    assert {name: found[name] for name in ("id", "state", "error", "payload", "key", "attempt")} == {
        "id": ids[1],
        "state": "dead",
        "error": "no luck",
        "payload": {"n": 1},
        "key": "k1",
        "attempt": 1,
    }


@pytest.mark.parametrize("command", ["jobs", "events"])
def test_a_site_that_does_not_exist_is_usage(site: Path, command: str) -> None:
    """
    A mistyped site is told with the nearest and all others; what a site that is gone left behind is listed still.
    """
    (site / "sites" / "acme").mkdir(parents=True)
    inbox = Jobs(site / "var")
    inbox.enqueue("gone", "note", 1)
    inbox.close()

    wrong = hookd(site, command, "list", "--site", "acmee", "--format", "json")
    empty = hookd(site, command, "list", "--site", "acme")
    gone = hookd(site, "jobs", "list", "--site", "gone")

    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (
        2,
        "",
        "hookd: there is no site 'acmee'; did you mean acme? Sites: default, acme\n",
    )
    assert (empty.returncode, empty.stdout) == (0, "")
    assert empty.stderr.startswith(f"there is no such {command[:-1]}\n")
    assert [line.split()[1] for line in gone.stdout.splitlines()] == ["site", "gone"]


def test_shows_a_job(site: Path) -> None:
    """
    All that is known of a job is one document.
    """
    _, ids = promised(site)

    shown = json.loads(hookd(site, "jobs", "show", ids[1]).stdout)

    assert sorted(shown) == [
        *("attempt", "due_at", "ended_at", "enqueued_at", "error", "id"),
        *("key", "kind", "name", "payload", "reason", "site", "state"),
    ]
    assert (shown["id"], shown["kind"], shown["state"]) == (ids[1], "job", "dead")


def test_tries_jobs_again(site: Path) -> None:
    """
    Dead, parked and waiting jobs run again; what cannot is named, and the exit code says so.
    """
    inbox, ids = promised(site)
    inbox.note([Note(ids[0], 1, DONE, 1)])

    tried = hookd(site, "jobs", "retry", *ids)

    assert (tried.returncode, tried.stdout) == (1, "2 will run now\n")
    assert tried.stderr == f"{ids[0]}: no job that waits, is dead or is parked\n"
    assert inbox.counts() == {"waiting": 2, "running": 0, "done": 1, "dead": 0, "parked": 0}


def test_forgets_jobs(site: Path) -> None:
    """
    purge takes dead jobs that are older than 7 days, or what is said.
    """
    inbox, ids = promised(site)

    young = hookd(site, "jobs", "purge")
    elsewhere = hookd(site, "jobs", "purge", "--before", "0s", "--site", "acme")
    old = hookd(site, "jobs", "purge", "--older-than", "0s", "--site", "default", "--format", "json")
    later = hookd(site, "jobs", "purge", "--before", "2100-01-01", "--state", "parked")
    wrong = hookd(site, "jobs", "purge", "--before", "yesterday")
    too_early = hookd(site, "jobs", "purge", "--before", "999999d")

    assert (young.stdout, elsewhere.stdout) == ("0 forgotten\n", "0 forgotten\n")
    assert json.loads(old.stdout) == {"purged": 1}
    assert later.stdout == "1 forgotten\n"
    assert (wrong.returncode, "argument --before/--older-than: 'yesterday': 30m, 12h" in wrong.stderr) == (2, True)
    assert (too_early.returncode, "argument --before/--older-than: '999999d': 30m" in too_early.stderr) == (2, True)
    assert [inbox.find(id_) is None for id_ in ids] == [False, True, True]


@pytest.mark.parametrize(
    ("answer", "options", "number"), [("n", (), 0), ("", (), 0), ("y", (), 1), ("n", ("--yes",), 1)]
)
def test_asks_at_a_terminal_before_it_forgets(site: Path, answer: str, options: tuple[str, ...], number: int) -> None:
    """
    It says how many of which site; only a yes, or --yes, is one.
    """
    inbox, ids = promised(site)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-m", "hookd", "jobs", "purge", "--before", "0s", *options]

    done = subprocess.run(command, cwd=site, stdin=theirs, capture_output=True, text=True, timeout=60)

    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (0, f"{number} forgotten\n")
    assert done.stderr == ("" if options else "default: 1 dead jobs\nForget them? [y/N] ")
    assert (inbox.find(ids[1]) is None) == bool(number)


def test_writes_and_runs_a_job(site: Path) -> None:
    """
    `hookd new` writes a job and a case that pass; `hookd run` runs it on a payload.
    """
    written = hookd(site, "new", "jobs/call_back")
    assert (written.returncode, written.stdout.splitlines()) == (
        0,
        [
            "hooks/jobs/call_back.py",
            "hooks/tests/jobs/call_back/payload.json",
            "Next:",
            "  hookd run jobs/call_back",
            "  hookd test jobs/call_back",
        ],
    )

    checked = hookd(site, "check")
    tested = hookd(site, "test", "jobs/call_back")
    arguments = ("--input", "-", "--set", "attempt=3", "--settings", "chat=7")
    ran = hookd(site, "run", "jobs/note", *arguments, given='{"a": 1}')

    assert (checked.returncode, checked.stdout) == (0, "2 hooks: 0 problems, 0 warnings\n")
    assert (tested.returncode, tested.stdout) == (0, "1 passed, 0 failed\n")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[:3] == ["outcome: ok", "print:", "  did {'a': 1} 3 7"]


def test_tests_jobs(site: Path) -> None:
    """
    A case of a job names a payload, or the whole job, and what comes of it; other keys and places are told.
    """
    cases = site / "hooks" / "tests" / "jobs"
    (cases / "note").mkdir(parents=True)
    good = {"payload": 5, "set": {"attempt": 2}, "settings": {"chat": 9}, "outcome": "ok", "print": "did 5 2 9"}
    (cases / "note" / "good.json").write_text(json.dumps(good))
    (cases / "note" / "wrong.json").write_text(json.dumps({"payload": 5, "outcome": "fallback"}))
    (cases / "note" / "sample.json").write_text(json.dumps({"sample": "incoming", "outcome": "ok"}))
    (cases / "stray.json").write_text("{}")

    tested = hookd(site, "test")

    assert (tested.returncode, tested.stdout) == (1, "1 passed, 1 failed, 2 not read\n")
    lines = tested.stderr.splitlines()
    assert lines[0] == 'hooks/tests/jobs/note/wrong.json: /outcome: expected "fallback", actual "ok"'
    assert lines[-2].startswith("hooks/tests/jobs/note/sample.json: sample: there is no such key")
    assert lines[-1] == (
        "hooks/tests/jobs/stray.json: a case of a job lies in the directory of that job. Move it to tests/jobs/<name>/."
    )


def test_a_name_that_no_job_can_have_is_refused(site: Path) -> None:
    """
    A mistyped job is told before anything is run.
    """
    refused = hookd(site, "run", "jobs/call-back")

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        "hookd run: error: argument HOOK: 'jobs/call-back': a job's name is written in a-z, 0-9 and _, "
        "a letter first: jobs/call_back"
    )
