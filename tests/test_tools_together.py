"""
All tools that act: whatever the other side does, a hook answers in time; and what is secret stays with the broker.
"""

import json
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd.sandbox import signatures
from hookd.tools import Tools
from hookd.tools.bitrix import Bitrix
from hookd.tools.http import Http
from hookd.tools.resolver import Resolver
from tests.conftest import Server, finish
from tests.portal.server import APP_ID, APP_SECRET, Account, Bitrix24, Refusal
from tests.portal.serving import serve_with
from tests.test_http_tool import Peer, Serve, drip, drip_head, reset, respond, silence
from tests.test_tools import POINT, hook
from tests.test_worker import Loop

SECRET = "wh0okcanary12345"
PHONE = "+79005550123"
CALLS = {"http": "http.get('{url}/')", "bitrix": "bitrix.call('profile')"}


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """A CRM, and a portal, that does what a test says."""
    found = Peer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Loop]:
    """A service whose site asks it."""
    directory = tmp_path_factory.mktemp("service")
    (directory / "hooks" / "jobs").mkdir(parents=True)
    (directory / "hooks" / "jobs" / "later.py").write_text("def later(job):\n    pass\n")
    listed = f'[site]\nhttp_hosts = ["127.0.0.1:{peer.port}"]\n'
    found = Loop(directory, f'{listed}bitrix_webhook = "{peer.url}/rest/1/{SECRET}/"\n', timeout_s=20)
    yield found
    found.close()


# --- in time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", CALLS)
@pytest.mark.parametrize(
    ("serve", "reason"),
    [(silence, "timeout"), (drip, "timeout"), (drip_head, "timeout"), (reset, "error")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_server_costs_no_call(loop: Loop, peer: Peer, tool: str, serve: Serve, reason: str) -> None:
    """
    A hook that waits for nothing else ends at its limit, the connector has its own value, and the next run is fine.
    """
    peer.serve = serve

    run = loop.run(hook(CALLS[tool].format(url=peer.url), tool), limit_s=1.0)
    after = loop.run(hook("return {'phone': 'next'}", tool))

    assert (run.outcome, run.reason, run.reply["data"]) == ("fallback", reason, {"phone": "1"})
    assert after.reply["data"] == {"phone": "next"}
    assert run.calls[0].name.startswith(f"{tool}.")


def test_a_silent_name_server_costs_no_call(tmp_path: Path) -> None:
    """
    Neither does one that never answers, and it keeps no thread of the tools: more hooks than there are of these end.
    """
    release = threading.Event()

    def hang(name: str) -> list[str]:
        release.wait(60)
        return []

    site = '[site]\nhttp_hosts = ["crm.example.org"]\n'
    loop = Loop(tmp_path, f'{site}bitrix_webhook = "https://portal.example.org/rest/1/{SECRET}/"\n', timeout_s=20)
    tools, resolver = loop.service.broker.tools, Resolver(hang)
    own = {"http": Http(resolver).methods(), "bitrix": Bitrix(loop.service.portal, resolver).methods()}
    loop.service.broker.tools = Tools({**tools.methods, **own}, tools.close)
    calls = [*(CALLS[tool].format(url="https://crm.example.org").replace(")", ", timeout_s=0.01)") for tool in CALLS)]
    body = "\n".join(f"try:\n    {call}\nexcept Exception:\n    pass" for call in calls)
    try:
        stopped = {tool: loop.run(hook(CALLS[tool].format(url="https://crm.example.org"), tool), limit_s=0.5)
                   for tool in CALLS}  # fmt: skip
        went_on = loop.run(hook(f"for _ in range(20):\n{indented(body)}\nreturn {{'phone': '2'}}", "http, bitrix"))
        stored = loop.run(hook("return {'phone': str(store.incr('calls'))}", "store"))
    finally:
        release.set()
        resolver.close()
        loop.close()

    assert {run.outcome for run in stopped.values()} == {"fallback"}
    assert {run.reason for run in stopped.values()} <= {"timeout", "error"}  # both come at the same moment
    assert (went_on.reply["data"], len(went_on.calls)) == ({"phone": "2"}, 40)
    assert stored.reply["data"] == {"phone": "1"}


@pytest.mark.parametrize(
    ("database", "call"),
    [("hookd.sqlite", "store.set('key', 1)"), ("inbox.sqlite", "jobs.enqueue('later')")],
)
def test_a_database_that_is_locked_costs_no_call(loop: Loop, database: str, call: str) -> None:
    """
    Another process that holds a database for ever is only waited for until the limit.
    """
    tool = call.partition(".")[0]
    assert loop.run(hook(call, tool)).outcome == "unchanged"  # makes it
    other = sqlite3.connect(loop.service.settings.state / database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        run = loop.run(hook(call, tool), limit_s=1.0)
    finally:
        other.execute("ROLLBACK")
        other.close()

    assert (run.outcome, run.reply["data"]) == ("fallback", {"phone": "1"})
    assert run.reason in ("timeout", "error")
    assert loop.run(hook(call, tool)).outcome == "unchanged"


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


# --- secret ------------------------------------------------------------------------------------------------------

ALL = f'''
"""Uses every tool, with a secret and a number in all that may be logged."""

def tried(use):
    try:
        print(use())
    except Exception as error:
        print(error)


def {POINT.name}(request, bitrix, clock, http, jobs, lists, phones, records, settings, store):
    number = request["phone"]
    tried(lambda: http.post("URL/" + number, json={{"k": "{{secret:crm}}", "n": number}}, timeout_s=5).text)
    tried(lambda: http.get("URL/{{secret:crm}}", params={{"n": number, "k": "{{secret:crm}}"}}, timeout_s=5).json())
    tried(lambda: http.get("http://" + number + ".example.org/{{secret:crm}}"))
    tried(lambda: bitrix.call("crm.lead.add", fields={{"PHONE": [{{"VALUE": number}}]}}))
    tried(lambda: bitrix.call("crm.contact.get", id=number))
    tried(lambda: bitrix.call(number))
    tried(lambda: bitrix.list("crm.lead.list", filter={{"PHONE": number}}))
    tried(lambda: bitrix.batch({{"a": ("crm.lead.list", {{"filter": {{"PHONE": number}}}}), "b": "crm.contact.get"}}))
    tried(lambda: store.set(number, {{"n": number}}, ttl_s=60))
    tried(lambda: store.incr(number))
    tried(lambda: lists.lookup("vip", number))
    tried(lambda: lists.contains(number, number))
    tried(lambda: records.find(number))
    tried(lambda: records.exists("/nowhere/" + number + ".wav"))
    tried(lambda: records.convert("RECORDS/" + number + ".wav"))
    tried(lambda: jobs.enqueue("later", {{"number": number}}, key=number))
    tried(lambda: jobs.enqueue(number))
    raise ValueError(number + " {{secret:crm}} " + str(request))
'''


@pytest.fixture
def bitrix24() -> Iterator[Bitrix24]:
    with Bitrix24() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path, bitrix24: Bitrix24, peer: Peer) -> Iterator[Server]:
    """A server whose hook uses every tool there is."""
    hooks, records = tmp_path / "hooks", tmp_path / "monitor"
    for path, text in (
        (hooks / "jobs" / "later.py", "def later(job):\n    pass\n"),
        (hooks / "lists" / "vip.csv", f"number,owner\n{PHONE},17\n"),
        (hooks / f"{POINT.name}.py", ALL.replace("URL", peer.url).replace("RECORDS", str(records))),
        (tmp_path / "secrets" / "crm", "canary-of-the-crm\n"),
        (records / f"{PHONE}.wav", "no sound"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    config = (
        f'[site]\nbitrix_app_id = "{APP_ID}"\nbitrix_app_secret = "{APP_SECRET}"\n'
        f'http_hosts = ["127.0.0.1:{peer.port}"]\nrecords_roots = ["{records}"]\n'
        f"[points.{POINT.name}]\ntimeout_s = 15\n"
    )
    started = serve_with(bitrix24, tmp_path, config=config)
    yield started
    finish(started)


def echo(client: socket.socket, request: bytes) -> None:
    respond(client, json.dumps({"said": request.decode()}).encode())


def secrets(bitrix24: Bitrix24, account: Account) -> list[str]:
    """Everything that nobody but hookd and the portal may know."""
    tokens = [*bitrix24._access, *bitrix24._refresh, account.application_token]
    return [*tokens, APP_SECRET, "canary-of-the-crm"]


def test_a_secret_and_a_number_are_nowhere(server: Server, bitrix24: Bitrix24, peer: Peer) -> None:
    """
    A run that uses all tools, and fails with what it knows, leaves no secret anywhere, and no number in log, journal,
    figures or headers; the tokens of the portal are renewed meanwhile, and the portal itself tells them.
    """
    peer.serve = echo
    account = bitrix24.add("acme")
    bitrix24.install(f"{server.url}/bitrix24/install", account)
    bitrix24.expire_all()

    reply = server.post(POINT.name, {"phone": PHONE})
    token = [*bitrix24._access][-1]  # that came of the renewal
    account.items["crm.lead"][1]["TITLE"] = token
    bitrix24.failures["crm.contact.get"] = [Refusal(400, "ODD", f"{token} knows no {PHONE}")] * 2
    run = server.explain(POINT.name, {"phone": PHONE})
    figures = server.get("metrics").text
    server.stop()
    files = [path for path in (server.directory / "var").rglob("*") if path.is_file()]
    kept = {path.relative_to(server.directory / "var").as_posix(): path.read_bytes() for path in files}
    journal = b"".join(data for name, data in kept.items() if name.startswith("runs.sqlite"))

    assert (reply.json(), reply.headers["Hookd-Reason"]) == ({"data": {"phone": PHONE}, "state": "success"}, "error")
    assert {call["tool"] for call in run["calls"]} == {*signatures.SIGNATURES}
    assert bitrix24.renewals == 1
    assert account.items["crm.lead"][1]["PHONE"] == [{"VALUE": PHONE}]
    everywhere = [server.log(), figures, str(reply.headers), reply.text, json.dumps(run), *map(repr, kept.values())]
    assert [secret for secret in secrets(bitrix24, account) for text in everywhere if secret in text] == []
    public = [server.log(), figures, repr(journal)]
    assert [found for text in public for found in re.findall(r".{0,30}9005550123.{0,30}", text)] == []
    assert "hookd_tool_seconds_count" in figures
    assert len(server.lines("run")) == 2
    assert journal


def test_the_secret_of_a_webhook_is_nowhere(serve: Any, peer: Peer) -> None:
    """
    The same of the address of an incoming webhook, whatever goes wrong there.
    """
    source = hook(
        "for _ in range(4):\n    try:\n        print(bitrix.call('profile', timeout_s=0.5))\n"
        "    except Exception as error:\n        print(error)\nbitrix.call('profile', timeout_s=0.5)",
        "bitrix",
    )
    config = f'[site]\nbitrix_webhook = "{peer.url}/rest/1/{SECRET}/"\n[points.{POINT.name}]\ntimeout_s = 10\n'
    server: Server = serve({f"{POINT.name}.py": source}, config=config)
    serves: list[Serve] = [
        lambda one, request: respond(one, json.dumps({"result": request.decode()}).encode()),
        lambda one, request: respond(one, json.dumps({"error": "ODD", "error_description": request.decode()}).encode()),
        reset,
        silence,
        lambda one, _: respond(one, b"<html>" + SECRET.encode()),
    ]
    waiting = iter(serves)

    def serve_next(one: socket.socket, request: bytes) -> None:
        next(waiting)(one, request)

    peer.serve = serve_next

    run = server.explain(POINT.name, {"phone": "1"})
    figures = server.get("metrics").text
    server.stop()
    kept = b"".join(path.read_bytes() for path in (server.directory / "var").rglob("*") if path.is_file())

    assert [call["error"] is None for call in run["calls"]] == [True, *[False] * 4]
    assert SECRET in peer.line
    assert SECRET not in json.dumps(run) + figures + server.log() + repr(kept)
