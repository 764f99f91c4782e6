"""
Hooks of jobs: found, checked and run as those of points are, with a job instead of a request and nothing to answer.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd import settings
from hookd.errors import SettingsError
from hookd.hooks import Snapshot
from hookd.points import JOBS, work_point
from hookd.runner import limit
from hookd.runs import Run
from hookd.settings import DEFAULT_SITE, JobSettings
from hookd.sites import Site
from tests.test_worker import Loop

JOB = {"id": "j1", "name": "note", "attempt": 2, "payload": {"a": 1}, "enqueued_at": 1.5, "key": None}


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A service whose hooks the tests write."""
    found = Loop(tmp_path_factory.mktemp("service"))
    yield found
    found.close()


def site_of(loop: Loop) -> Site:
    site = loop.service.sites.get(DEFAULT_SITE)
    assert site is not None
    return site


def save(loop: Loop, files: dict[str, str | None]) -> Snapshot:
    """Write, or remove, files below hooks/ and return what the site's hooks are then."""
    for name, text in files.items():
        path = loop.directory / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
    loop.do(site_of(loop).hooks.refresh())
    return site_of(loop).hooks.snapshot


def run(loop: Loop, source: str | None, job: dict[str, Any] = JOB) -> Run:
    save(loop, {"jobs/note.py": None})
    save(loop, {"jobs/note.py": source})
    work = loop.service.runner.run(site_of(loop), work_point(JOBS, "note"), job, started=time.monotonic())
    return loop.do(work)


def test_a_job_gets_its_document_and_tools(loop: Loop) -> None:
    """
    The hook gets the job as a plain dict, its own settings, and other tools by name; its outcome is ok.
    """
    save(loop, {"settings.toml": "[jobs.note]\nchat = 7\n[all]\nlang = 'ru'\n"})

    ended = run(loop, "def note(settings, job, clock):\n    print(job, settings['chat'], settings['lang'])\n")

    assert (ended.outcome, ended.reason, ended.error, ended.warnings) == ("ok", "", None, ())
    assert (ended.point, ended.printed) == ("jobs/note", f"{JOB} 7 ru\n")


def test_what_a_job_returns_is_ignored_with_a_warning(loop: Loop) -> None:
    """
    Nobody reads what a job returns; whoever returns something learns so.
    """
    ended = run(loop, "def note(job):\n    return {'phone': '1'}\n")

    assert ended.outcome == "ok"
    assert [str(warning) for warning in ended.warnings] == [
        '/: {"phone": "1"} is ignored: nobody reads what a job returns.'
    ]


@pytest.mark.parametrize(
    ("source", "reason", "error"),
    [
        (
            "def note(job):\n    return job['nope']\n",
            "error",
            "jobs/note.py:2: KeyError:",
        ),
        ("def note(request):\n    pass\n", "load", "jobs/note.py:1: note asks for 'request', which there is not."),
        (None, "load", "jobs/note.py: there is no such job. Jobs: none. Put the file back."),
    ],
)
def test_a_job_that_fails_says_why(loop: Loop, source: str | None, reason: str, error: str) -> None:
    """
    An exception, a file that does not load and a file that is gone are failures with the words of points.
    """
    ended = run(loop, source)

    assert (ended.outcome, ended.reason) == ("fallback", reason)
    assert str(ended.error).startswith(error)
    assert str(ended.error).endswith(f"The job is tried again later. [{reason}]")


def test_a_job_is_enqueued_only_where_there_is_one(loop: Loop) -> None:
    """
    A hook that enqueues a job by a literal name does not load without it, and learns the nearest name.
    """
    caller = "def need_registration(request, jobs):\n    jobs.enqueue('nota', 1)\n"
    names = save(loop, {"jobs/note.py": "def note(job):\n    pass\n", "need_registration.py": caller})

    assert list(map(str, names.broken["need_registration"])) == [
        "need_registration.py:2: there is no job 'nota'; did you mean note? "
        "It is a file hooks/jobs/NAME.py. Jobs: note."
    ]
    assert "jobs/note" in names.hooks
    mended = save(loop, {"need_registration.py": caller.replace("nota", "note")})
    assert mended.hooks["need_registration"].jobs == (("note", 2),)
    save(loop, {"need_registration.py": None})


def test_a_file_that_is_no_job_is_told(loop: Loop) -> None:
    """
    A name that no function can have is a problem, not a silence.
    """
    found = save(loop, {"jobs/call-back.py": "x = 1\n"})

    assert [str(problem) for problem in found.problems] == [
        "jobs/call-back.py: call-back is no name of a job. Write it in a-z, 0-9 and _; a letter comes first."
    ]
    save(loop, {"jobs/call-back.py": None})


def test_settings_of_jobs(tmp_path: Path) -> None:
    """
    A job has limits of its own, in hookd.toml or the site's file; what is not set is usual, what is wrong is told.
    """
    config = tmp_path / "hookd.toml"
    (tmp_path / "hooks").mkdir()
    config.write_text("[jobs.note]\ntimeout_s = 600\nattempts_max = 3\n[site.jobs.other]\nretry_max_s = 60\n")

    found = settings.load(config, tmp_path).site

    assert found.jobs == {
        "note": JobSettings(timeout_s=600.0, attempts_max=3),
        "other": JobSettings(retry_max_s=60.0),
    }
    (tmp_path / "sites" / "a").mkdir(parents=True)
    (tmp_path / "sites" / "a" / "site.toml").write_text("[jobs.note]\ntimeout_s = 5\n")
    own = settings.load_site(tmp_path / "sites" / "a", found)
    assert own.jobs == {"note": JobSettings(timeout_s=5.0), "other": JobSettings(retry_max_s=60.0)}

    config.write_text("[jobs.note]\ntimeout_s = 601\ncolour = 1\n")
    with pytest.raises(SettingsError) as error:
        settings.load(config, tmp_path)
    assert str(error.value).splitlines() == [
        f"{config}: [jobs.note]: timeout_s = 601: seconds from 1 to 600 are expected",
        f"{config}: [jobs.note]: colour: there is no such setting. "
        "Settings: timeout_s, attempts_max, retry_first_s, retry_max_s.",
    ]


def test_the_limit_of_a_job(loop: Loop) -> None:
    """
    A job has 60 s, or what is set for it.
    """
    assert limit(site_of(loop), work_point(JOBS, "note"), None) == 60.0
