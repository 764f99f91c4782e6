"""
Commands about events, as people type them.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from hookd.jobs import DEAD, DONE, EVENT, LOOP, PARKED, Jobs, Note
from hookd.portal import samples
from tests.portal import payloads
from tests.test_cli_jobs import hookd

HOOK = "def crm_lead(event, settings):\n    print('got', event['code'], event['fields'], settings.get('chat'))\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with settings and one hook of events."""
    (tmp_path / "hooks" / "events").mkdir(parents=True)
    (tmp_path / "hookd.toml").write_text('[site]\ntime_zone = "Europe/Moscow"\n')
    (tmp_path / "hooks" / "events" / "crm_lead.py").write_text(HOOK)
    return tmp_path


def taken(site: Path) -> tuple[Jobs, list[str]]:
    """Three events: one that waits, one that is dead, one that is parked as a loop; and a job."""
    inbox = Jobs(site / "var")
    lane = "0f3d/crm_lead:365"
    about = {"event": samples.sample("crm_lead", "oncrmleadadd"), "object": lane}
    ids = [
        inbox.enqueue("default", "crm_lead", about, key=f"k{number}", kind=EVENT, lane=lane).id for number in range(3)
    ]
    inbox.note([Note(ids[1], 1, DEAD, 1, error="no luck"), Note(ids[2], 1, PARKED, 1, error="often", reason=LOOP)])
    return inbox, [*ids, inbox.enqueue("default", "note", {}).id]


def test_lists_events(site: Path) -> None:
    """
    A line for each with its code, portal, object and hook, the newest last; jobs are none of them.
    """
    _, ids = taken(site)

    done = hookd(site, "events", "list")
    parked = hookd(site, "events", "list", "--state", "parked", "--format", "json")

    assert done.stderr == "warning: 1 event waits and no consumer runs: start `hookd serve`, or `hookd consume`\n"
    head, *lines = [line.split() for line in done.stdout.splitlines()]
    assert head[:7] == ["id", "site", "event", "portal", "object", "hook", "state"]
    own = ["default", "ONCRMLEADADD", "0f3d", "crm_lead:365", "crm_lead"]
    assert [line[:8] for line in lines] == [
        [ids[0], *own, "waiting", "1"],
        [ids[1], *own, "dead", "1"],
        [ids[2], *own, "parked", "(loop)"],
    ]
    [found] = json.loads(parked.stdout)
    assert (found["id"], found["reason"], found["error"]) == (ids[2], "loop", "often")
    assert [line.split()[2] for line in hookd(site, "jobs", "list").stdout.splitlines()[1:]] == ["note"]


def test_shows_and_retries_events_alone(site: Path) -> None:
    """
    What is dead or parked runs again; a job is no event, nor an event a job.
    """
    inbox, ids = taken(site)
    inbox.note([Note(ids[0], 1, DONE, 1)])

    shown = json.loads(hookd(site, "events", "show", ids[1]).stdout)
    stranger = hookd(site, "events", "show", ids[3])
    tried = hookd(site, "events", "retry", *ids)
    no_job = hookd(site, "jobs", "retry", ids[1])

    assert (shown["kind"], shown["payload"]["event"]["code"]) == ("event", "ONCRMLEADADD")
    assert (stranger.returncode, stranger.stderr) == (
        2,
        f"hookd: there is no event '{ids[3]}'; `hookd events list` tells those that there are\n",
    )
    assert (tried.returncode, tried.stdout) == (1, "2 will run now\n")
    assert tried.stderr.splitlines() == [
        f"{id_}: no event that waits, is dead or is parked" for id_ in (ids[0], ids[3])
    ]
    assert no_job.returncode == 1


def test_forgets_events_alone(site: Path) -> None:
    """
    purge takes events that are so, loops that were put aside included, and no jobs.
    """
    inbox, ids = taken(site)

    dead = hookd(site, "events", "purge", "--before", "0s")
    parked = hookd(site, "events", "purge", "--before", "0s", "--state", "parked")
    waiting = hookd(site, "events", "purge", "--state", "waiting")

    assert [done.stdout for done in (dead, parked, waiting)] == ["1 forgotten\n", "1 forgotten\n", "0 forgotten\n"]
    assert [inbox.find(id_) is None for id_ in ids] == [False, True, True, False]


def test_writes_a_hook_for_each_kind_of_name(site: Path) -> None:
    """
    A code, as portals write it too, a family, other, and what nobody knows yet, of which it is told: each with a case
    that passes.
    """
    names = ("oncrmdealrecurringexpose", "CATALOG.PRICE.ON.ADD", "crm_userfield", "other", "onnewthingadd")
    remedy = "A code in lower case, dots as _; a family, such as crm_lead; or other."

    def told(name: str, near: str) -> str:
        return f"warning: hooks/events/{name}.py: no event of this name is known; did you mean {near}? {remedy}\n"

    written = [hookd(site, "new", f"events/{name}") for name in names]
    files, said = [each.stdout.splitlines()[0] for each in written], [each.stderr for each in written]

    checked, tested = hookd(site, "check"), hookd(site, "test")
    slip = hookd(site, "new", "events/oncrmleadad")

    assert files == [
        f"hooks/events/{name}.py"
        for name in ("oncrmdealrecurringexpose", "catalog_price_on_add", "crm_userfield", "other", "onnewthingadd")
    ]
    assert said == ["", "", "", "", told("onnewthingadd", "onsonetgroupadd")]
    assert checked.stdout == "6 hooks: 0 problems, 1 warning\n"
    assert checked.stderr == said[-1]
    assert slip.stderr == told("oncrmleadad", "oncrmleadadd")
    assert slip.returncode == 0
    assert tested.stdout == "no cases: events/crm_lead\n5 passed, 0 failed\n"
    text = (site / files[0]).read_text()
    assert "DEAL_ID (always there): Id of the newly produced deal." in text
    assert "it is not the id of a deal" in text


def test_runs_a_hook_on_what_a_portal_posts(site: Path) -> None:
    """
    On a sample, on the form, on the same as JSON, and on what a hook gets.
    """
    form = payloads.form({**payloads.REQUISITE_ADDED, "event": "oncrmleadadd"}).decode()
    as_json = json.dumps({**payloads.REQUISITE_ADDED, "event": "oncrmleadadd"})
    own = json.dumps(samples.sample("crm_lead", "oncrmleadupdate"))

    told = [
        hookd(site, "run", "events/crm_lead", *words, given=given).stdout.splitlines()[2].strip()
        for words, given in (
            (("--sample", "ONCRMLEADDELETE", "--set", "fields.ID=17", "--settings", "chat=7"), ""),
            (("--input", "-"), form),
            (("--input", "-"), as_json),
            (("--input", "-"), own),
        )
    ]

    assert told == [
        "got ONCRMLEADDELETE {'ID': '17'} 7",
        "got ONCRMLEADADD {'ID': '27'} None",
        "got ONCRMLEADADD {'ID': 27} None",
        "got ONCRMLEADUPDATE {'ID': '365'} None",
    ]


def test_samples_are_those_that_the_hook_may_get(site: Path) -> None:
    """
    Of a family all its events, with a line each; a job has none.
    """
    listed = hookd(site, "samples", "events/crm_lead")
    shown = hookd(site, "samples", "events/crm_lead", "oncrmleadupdate")
    none = hookd(site, "samples", "jobs/note")

    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        "oncrmleadadd",
        "oncrmleaddelete",
        "oncrmleadupdate",
    ]
    assert json.loads(shown.stdout) == samples.sample("crm_lead", "oncrmleadupdate")
    assert (none.returncode, none.stderr) == (
        2,
        "hookd: there are no samples of jobs: what a job gets, its hook's caller decides\n",
    )


def test_tests_events(site: Path) -> None:
    """
    A case names a sample or an event, also as a portal posts it; other keys and places are told.
    """
    cases = site / "hooks" / "tests" / "events"
    (cases / "crm_lead").mkdir(parents=True)
    posted = {**payloads.REQUISITE_ADDED, "event": "onCrmLeadAdd"}
    files: dict[str, dict[str, Any]] = {
        "good": {"sample": "oncrmleadadd", "set": {"fields.ID": "5"}, "settings": {"chat": 9}, "print": "'5'} 9"},
        "posted": {"request": posted, "print": "got ONCRMLEADADD {'ID': 27}"},
        "payload": {"payload": {}},
        "unknown": {"sample": "oncrmleedadd"},
        "no-portal": {"request": {"event": "ONX", "auth": {}}},
    }
    for name, case in files.items():
        (cases / "crm_lead" / f"{name}.json").write_text(json.dumps({**case, "outcome": "ok"}))
    (cases / "stray.json").write_text("{}")

    tested = hookd(site, "test")

    assert (tested.returncode, tested.stdout) == (1, "2 passed, 0 failed, 4 not read\n")
    place = "hooks/tests/events"
    no_portal, payload, unknown, stray = tested.stderr.splitlines()
    assert no_portal.startswith(f"{place}/crm_lead/no-portal.json: auth[member_id]: the portal's id is expected")
    assert payload.startswith(f"{place}/crm_lead/payload.json: payload: there is no such key")
    assert unknown.startswith(f'{place}/crm_lead/unknown.json: events/crm_lead: sample "oncrmleedadd" does not exist')
    assert stray == (
        f"{place}/stray.json: a case of an event lies in the directory of its hook. Move it to tests/events/<name>/."
    )
