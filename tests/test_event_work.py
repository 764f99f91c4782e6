"""
Events with the real thing: a server that takes them, its consumer that has them answered, and what can go wrong.

The portal is one whose outgoing webhook the settings have: hookd asks nobody whether to believe it.
"""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from hookd.jobs import DEAD, DONE, EVENT, LOOP, NO_HOOK, PARKED, STATES, Job, Jobs
from hookd.portal import codes, samples
from tests.conftest import Server
from tests.portal import payloads
from tests.portal.payloads import MEMBER, TOKEN

CONFIG = f'[site]\nbitrix_event_tokens = ["{TOKEN}"]\n'
FAST_RETRY = "retry_first_s = 1\nretry_max_s = 1\n"
AUTH = {
    "domain": payloads.DOMAIN,
    "client_endpoint": f"https://{payloads.DOMAIN}/rest/",
    "server_endpoint": "https://oauth.bitrix.info/rest/",
    "member_id": MEMBER,
    "application_token": TOKEN,
}
CHAOS_S = float(os.environ.get("HOOKD_CHAOS_S", "5"))  # 60 for the long version
CHAOS_PAUSE_S = 0.01


def hook(name: str, body: str = "print('got', event['code'], event['fields'].get('ID'), event['attempt'])") -> str:
    return f"def {name}(event):\n    {body}\n"


def event(code: str, number: Any = 7, at: int = 1767225600, **fields: Any) -> dict[str, Any]:
    data = {"FIELDS": {"ID": number}}
    return {"event": code, "event_handler_id": 71, "data": data, "ts": at, "auth": AUTH, **fields}


def send(server: Server, fields: dict[str, Any], **options: Any) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = requests.post(
        f"{server.url}/bitrix24/event", data=payloads.form(fields), headers=headers, timeout=30, **options
    )
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def inbox(server: Server) -> Jobs:
    return Jobs(server.directory / "var")


def rows(server: Server) -> list[Job]:
    """Return the events in the inbox, the oldest first."""
    jobs = inbox(server)
    found = jobs.all(kind=EVENT)[::-1]
    jobs.close()
    return found


def counts(server: Server) -> dict[str, int]:
    """Return how many events are in which state."""
    jobs = inbox(server)
    found = jobs.counts(kind=EVENT)
    jobs.close()
    return found


def ended(server: Server, number: int, states: tuple[str, ...] = (DONE,), seconds: float = 60.0) -> list[Job]:
    """Wait until there are *number* events, all of them in one of *states*."""
    server.wait(
        lambda: [job.state in states for job in rows(server)] == [True] * number, f"{number} in {states}", seconds
    )
    return rows(server)


def printed(server: Server, number: int) -> list[str]:
    """Wait until so many runs have printed something, and return what."""

    def lines() -> list[str]:
        return [line["print"].strip() for line in server.lines("run") if "print" in line]

    server.wait(lambda: len(lines()) >= number, f"{number} lines")
    return lines()


def ran(server: Server, number: int) -> list[dict[str, Any]]:
    """Wait until *number* runs have ended, and return their log lines."""
    server.wait(lambda: len(server.lines("run")) >= number, f"{number} runs")
    return server.lines("run")


FIXTURES: list[tuple[dict[str, Any], str, str]] = [
    (payloads.REQUISITE_ADDED, "crm_requisite", "{'ID': '27'}"),
    (
        payloads.RECURRING_EXPOSED,
        "oncrmdealrecurringexpose",
        "{'ID': '9', 'RECURRING_DEAL_ID': '6791', 'DEAL_ID': '6799'}",
    ),
    (event("oncrmleadadd", auth=AUTH), "crm_lead", "{'ID': '7'}"),
    (event("ONOFFLINEEVENT", data=[]), "other", "{}"),
    (
        event("ONTASKADD", data={"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": 12}}),
        "other",
        "{'FIELDS_BEFORE': 'undefined', 'FIELDS_AFTER': {'ID': '12'}}",
    ),
    (event("ONIMCONNECTORLINEDELETE", data=7), "other", "{}"),
    (
        event("ONCRMDYNAMICITEMADD_147", data={"FIELDS": {"ID": 3, "ENTITY_TYPE_ID": 147}}),
        "oncrmdynamicitemadd",
        "{'ID': '3', 'ENTITY_TYPE_ID': '147'}",
    ),
    (event("CATALOG.PRICE.ON.ADD"), "catalog_price_on_add", "{'ID': '7'}"),
    (
        event("ONCRMADDRESSREGISTER", data={"FIELDS": {"TYPE_ID": "PRIMARY", "ENTITY_TYPE_ID": 8, "ENTITY_ID": 17}}),
        "crm_address",
        "{'TYPE_ID': 'PRIMARY', 'ENTITY_TYPE_ID': '8', 'ENTITY_ID': '17'}",
    ),
    (event("ONSOMETHINGNEW"), "other", "{'ID': '7'}"),
]


def test_documented_events_end_in_the_right_hook(serve: Callable[..., Server]) -> None:
    """
    The reference's own payloads and those beyond it: exact code first, then the family, then other; once each.
    """
    names = {name for _, name, _ in FIXTURES} | {"crm_deal_recurring", "catalog_price", "crm_dynamic_item"}
    body = "print(event['code'], event['fields'])"
    server = serve({f"events/{name}.py": hook(name, body) for name in names}, config=CONFIG)

    for fields, name, _ in FIXTURES:
        trusted = {**fields, "auth": {**fields["auth"], "application_token": TOKEN}}
        assert send(server, trusted) == {"state": "success", "hook": name, "known": False}
        assert send(server, trusted)["known"]

    found = ended(server, len(FIXTURES))
    assert [(job.name, job.attempt, job.reason, job.error) for job in found] == [
        (name, 1, None, "") for _, name, _ in FIXTURES
    ]
    lines = [(line["point"], line["print"].strip()) for line in ran(server, len(FIXTURES))]
    assert sorted(lines) == sorted(
        (f"events/{name}", f"{fields['event'].upper()} {shown}") for fields, name, shown in FIXTURES
    )


def test_every_known_event_reaches_its_family(serve: Callable[..., Server]) -> None:
    """
    All 190 codes, with hooks for every other family: the family's own, else other.
    """
    known = codes.events()
    families = sorted({code.family for code in known.values() if code.family})[::2]
    hooks = {f"events/{name}.py": hook(name, "pass") for name in (*families, "other")}
    server = serve(hooks, config=CONFIG)
    expected = {}
    for code in known.values():
        fields = samples._envelope(code.name) | {"auth": AUTH}
        expected[code.code] = code.family if code.family in families else "other"
        assert send(server, fields)["hook"] == expected[code.code]

    ended(server, len(known), seconds=120)

    points = {line["point"] for line in ran(server, len(known))}
    assert {job.payload["event"]["code"]: job.name for job in rows(server)} == expected
    assert points == {f"events/{name}" for name in expected.values()}


def test_a_hook_reads_what_its_second_has_left(serve: Callable[..., Server]) -> None:
    """
    Two changes within a second count as one event, whose hook begins a second after it came, whatever the portal's
    clock says; one that comes late, or does not say when it happened, does not wait.
    """
    server = serve(
        {"events/other.py": "def other(event):\n    print(event['at'] and event['at'] % 10_000)\n"}, config=CONFIG
    )
    now = int(time.time())
    timeless = {name: value for name, value in event("ONCRMDEALUPDATE").items() if name != "ts"}

    seconds = (now, now + 60, now - 3600)
    answers = [send(server, event("ONCRMDEALUPDATE", at=at))["known"] for at in seconds for _ in range(2)]
    answers += [send(server, timeless)["known"] for _ in range(2)]

    found = ended(server, 5)
    assert answers == [False, True, False, True, False, True, False, False]
    assert sorted(printed(server, 5)) == sorted([*(str(at % 10_000) for at in seconds), "None", "None"])
    waits = {job.payload["event"]["at"]: round(job.due_at - job.enqueued_at, 3) for job in found}
    assert waits == {now: 1.0, now + 60: 1.0, now - 3600: 0.0, None: 0.0}
    begun = {line["print"].strip(): datetime.fromisoformat(line["time"]).timestamp() for line in ran(server, 5)}
    assert begun[str(now % 10_000)] >= now + 1


def test_events_on_one_object_are_answered_in_their_order(serve: Callable[..., Server]) -> None:
    """
    One after the other, as they came, although there are more workers; another object's do not wait for them.
    """
    body = "print(event['fields']['ID'], event['at'])\n    for _ in range(300_000): pass"
    server = serve({"events/other.py": hook("other", body)}, config=CONFIG)

    for at in range(1, 7):
        for number in (1, 2):
            send(server, event("ONCRMDEALUPDATE", number, at))

    ended(server, 12)
    lines = [line.split() for line in printed(server, 12)]
    for object_ in ("1", "2"):
        assert [int(at) for id_, at in lines if id_ == object_] == [1, 2, 3, 4, 5, 6]
    assert lines[0][0] != lines[1][0] or lines[1][0] != lines[2][0]


def test_an_event_that_fails_holds_up_nobody(serve: Callable[..., Server]) -> None:
    """
    It is tried again later, and the next event on the same object is answered meanwhile; then it is dead.
    """
    body = (
        "print('try', event['at'], event['attempt'])\n"
        "    if event['at'] == 1: raise ValueError('no luck')\n"
        "    if event['at'] == 2 and event['attempt'] < 3: raise ValueError('not yet')"
    )
    config = f"{CONFIG}[events.crm_deal]\nattempts_max = 4\n{FAST_RETRY}"
    server = serve({"events/crm_deal.py": hook("crm_deal", body)}, config=config)

    for at in (1, 2, 3):
        send(server, event("ONCRMDEALUPDATE", 5, at))

    dead, second, third = ended(server, 3, (DONE, DEAD))
    assert [(job.state, job.attempt) for job in (dead, second, third)] == [(DEAD, 4), (DONE, 3), (DONE, 1)]
    assert dead.error.startswith("events/crm_deal.py:3: ValueError: no luck")
    lines = printed(server, 8)
    assert Counter(lines) == Counter(
        [f"try 1 {number}" for number in (1, 2, 3, 4)] + [f"try 2 {number}" for number in (1, 2, 3)] + ["try 3 1"]
    )
    assert lines.index("try 3 1") < lines.index("try 1 2")
    assert {line["name"] for line in server.lines("job_dead")} == {"crm_deal"}


def test_a_dead_event_is_tried_again_by_hand(serve: Callable[..., Server]) -> None:
    """
    `hookd events` lists it, shows it, and has the mended hook answer it.
    """
    config = f"{CONFIG}[events.other]\nattempts_max = 1\n"
    server = serve({"events/other.py": hook("other", "return 1 / 0")}, config=config)
    send(server, event("ONCRMDEALUPDATE", 5))
    [dead] = ended(server, 1, (DEAD,))
    loaded = len(server.lines("hook_loaded"))
    server.write("events/other.py", hook("other"))
    server.wait(lambda: len(server.lines("hook_loaded")) == loaded + 2, "the mended hook, in both processes")

    def command(*words: str) -> str:
        line = [sys.executable, "-m", "hookd", "events", *words]
        return subprocess.run(line, cwd=server.directory, capture_output=True, text=True, check=True).stdout

    listed = command("list", "--state", "dead").splitlines()[1].split()
    retried = command("retry", dead.id)

    assert listed[:7] == [dead.id, "default", "ONCRMDEALUPDATE", MEMBER, "crm_deal:5", "other", "dead"]
    assert retried == "1 will run now\n"
    [done] = ended(server, 1)
    assert done.attempt == 2
    assert printed(server, 1) == ["got ONCRMDEALUPDATE 5 2"]


def test_an_event_whose_hook_is_gone_is_done_with_a_word(serve: Callable[..., Server]) -> None:
    """
    The hook that answers is looked for when the event is answered: a better one, or none.
    """
    config = f"{CONFIG}[events.crm_deal]\nretry_first_s = 2\nretry_max_s = 2\n"
    server = serve({"events/crm_deal.py": hook("crm_deal", "return 1 / 0")}, config=config)
    send(server, event("ONCRMDEALUPDATE", 1))
    server.wait(lambda: "ZeroDivisionError" in rows(server)[0].error, "the failure")

    server.write("events/oncrmdealupdate.py", hook("oncrmdealupdate"))
    [better] = ended(server, 1)
    (server.directory / "hooks" / "events" / "oncrmdealupdate.py").unlink()
    server.write("events/crm_deal.py", hook("crm_deal", "return 1 / 0"))
    send(server, event("ONCRMDEALUPDATE", 2))
    server.wait(lambda: "ZeroDivisionError" in rows(server)[1].error, "the other failure")
    (server.directory / "hooks" / "events" / "crm_deal.py").unlink()
    gone = ended(server, 2)[1]

    assert printed(server, 1)[-1].startswith("got ONCRMDEALUPDATE 1 ")
    assert (better.reason, gone.state, gone.reason, gone.error) == (None, DONE, NO_HOOK, "")


def test_a_loop_is_put_aside(serve: Callable[..., Server]) -> None:
    """
    Ten a minute of one event on one object; what comes beyond is parked, and answered when somebody asks for it.
    Other events, other objects and events that name no object go on.
    """
    server = serve({"events/other.py": hook("other"), "jobs/alert.py": "def alert(job):\n    pass\n"}, config=CONFIG)

    for at in range(1, 14):
        send(server, event("ONCRMDEALUPDATE", 5, at))
    for at in range(1, 13):
        send(server, event("ONOFFLINEEVENT", at=at, data=[]))
    send(server, event("ONCRMDEALDELETE", 5))
    send(server, event("ONCRMDEALUPDATE", 6))

    found = ended(server, 27, (DONE, PARKED))
    parked = [job for job in found if job.state == PARKED]
    assert [job.payload["event"]["at"] for job in parked] == [11, 12, 13]
    assert {(job.payload["event"]["code"], job.reason, job.attempt) for job in parked} == {("ONCRMDEALUPDATE", LOOP, 1)}
    assert parked[0].error.startswith("this event came more than 10 times in 60 s for the same object")
    time.sleep(6)  # the consumer lets go what was parked for its site every 5 s
    assert [job.state for job in rows(server)].count(PARKED) == 3

    assert inbox(server).retry(parked[0].id)
    server.wait(lambda: [job.state for job in rows(server)].count(PARKED) == 2, "the run that was asked for")
    assert server.lines("consumer_failed") == []
    alerts = inbox(server).all(kind="job", name="alert")
    assert [(job.payload["cause"], job.payload["subject"]) for job in alerts] == [("loop", "events/other")]


def test_the_consumer_comes_with_the_first_hook_of_an_event(serve: Callable[..., Server]) -> None:
    """
    No hook, no consumer; one is written, and what comes is answered.
    """
    server = serve({}, config=CONFIG)
    assert server.get("readyz").json()["consumer"] == "not needed"
    assert send(server, event("ONCRMDEALUPDATE")) == {"state": "success", "hook": None, "known": False}

    server.write("events/crm_deal.py", hook("crm_deal"))
    server.wait(lambda: server.get("readyz").json()["consumer"] == "running", "the consumer")

    assert send(server, event("ONCRMDEALUPDATE"))["hook"] == "crm_deal"
    ended(server, 1)
    figures = [line for line in server.get("metrics").text.splitlines() if line.startswith("hookd_events{")]
    assert 'hookd_events{state="done"} 1.0' in figures


@pytest.mark.timeout(300 + 10 * CHAOS_S)
def test_kills_lose_and_double_no_event(serve: Callable[..., Server]) -> None:
    """
    While consumer and HTTP processes are killed at random, every event that was answered with 200 is handled, and none
    that was recorded as done is handled again.
    """
    body = "store.set(event['id'], event['fields']['ID'])\n    print('did', event['id'])"
    config = f"{CONFIG}store_keys_max = 1000000\njobs_waiting_max = 1000000\n"  # where a minute's events do not fit
    server = serve({"events/other.py": f"def other(event, store):\n    {body}\n"}, config=config, processes=2)
    accepted: set[str] = set()
    is_over = threading.Event()

    def call(name: str) -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            try:  # three in a row on one object, so that some are done one after the other
                send(server, event("ONCRMDEALUPDATE", f"{name}{number // 3}", number))
            except (requests.RequestException, AssertionError):
                time.sleep(0.05)
                continue
            accepted.add(f"{name}{number // 3} {number}")
            time.sleep(CHAOS_PAUSE_S)

    seen_done: dict[str, str] = {}  # event → when it was recorded as done, at the latest
    threads = [threading.Thread(target=call, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    end = time.monotonic() + CHAOS_S
    try:
        while time.monotonic() < end:
            time.sleep(random.uniform(0.3, 1.5))
            done = inbox(server).all(kind=EVENT, state=DONE)
            now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()  # the line of a run comes a moment later
            for job in done:
                seen_done.setdefault(job.id, now)
            pids = [*server.http(), *filter(None, [server.consumer()])]
            if pids:
                os.kill(random.choice(pids), signal.SIGKILL)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()

    left = [state for state in STATES if state != DONE]
    server.wait(lambda: not any(map(counts(server).get, left)), "the end of all events", 120 + 5 * CHAOS_S)
    found = rows(server)
    with contextlib.closing(sqlite3.connect(server.directory / "var" / "hookd.sqlite")) as connection:
        handled = {key for (key,) in connection.execute("SELECT key FROM store")}
    assert len(accepted) > 20
    assert accepted - {f"{job.payload['event']['fields']['ID']} {job.payload['event']['at']}" for job in found} == set()
    assert {job.id for job in found} - handled == set()
    assert len(found) == len({job.key for job in found})
    ran = [(line["print"].split()[1], line["time"]) for line in server.lines("run") if "did " in line.get("print", "")]
    assert [(id_, at) for id_, at in ran if id_ in seen_done and at > seen_done[id_]] == []
