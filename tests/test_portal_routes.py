"""
What a portal gets when it asks, and what nobody else does: the whole of hookd, and a Bitrix24 that is a stand-in.
"""

import json
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from hookd import metrics
from hookd.jobs import EVENT, Jobs
from hookd.settings import SiteSettings
from hookd.web import events
from tests.conftest import Server, finish
from tests.portal import payloads
from tests.portal.server import Account, Bitrix24
from tests.portal.serving import SITE, serve_with

ASKED = "GET /oauth-info/rest/app.info/"
WEBHOOK = "w" * 32
CONFIG = f"""
[site]
bitrix_event_tokens = ["{WEBHOOK}"]
"""


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hookd with an app, hooks for some events, and a site that has webhooks alone."""
    directory = tmp_path_factory.mktemp("server")
    for name in ("crm_lead", "crm_requisite", "crm_deal_recurring", "other"):
        path = directory / "hooks" / "events" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def {name}(event):\n    pass\n")
    for site, config in (("hooked", CONFIG.replace("[site]", "")), ("bare", "")):
        path = directory / "sites" / site / "site.toml"
        path.parent.mkdir(parents=True)
        path.write_text(config)
    events = directory / "sites" / "hooked" / "hooks" / "events"
    events.mkdir(parents=True)
    (events / "oncrmleadadd.py").write_text("def oncrmleadadd(event): ...\n")
    started = serve_with(bitrix24, directory)
    yield started
    finish(started)


@pytest.fixture
def acme(server: Server, bitrix24: Bitrix24, request: pytest.FixtureRequest) -> Account:
    """A portal, fresh for each test, that installed the app by an event."""
    account = bitrix24.add(f"acme-{abs(hash(request.node.name))}")
    assert bitrix24.install(f"{server.url}/bitrix24/install", account).status_code == 200
    bitrix24.contacts.clear()
    return account


@pytest.fixture(scope="module")
def hooked(bitrix24: Bitrix24) -> Account:
    """The portal whose outgoing webhook the settings have."""
    return bitrix24.add("hooked")


def rows(server: Server, member_id: str, *, of_app: bool = False) -> list[dict[str, Any]]:
    """Return what the inbox holds of a portal, the oldest first: its events, or those *of_app*'s own removal."""
    jobs = Jobs(server.directory / "var")
    found = [
        job
        for job in jobs.all()
        if job.payload["object"].startswith(member_id)
        and job.payload["event"]["code"] != "ONAPPINSTALL"
        and job.payload["event"]["code"].startswith("ONAPP") is of_app
    ]
    jobs.close()
    assert all(job.kind == EVENT for job in found)
    return [{"site": job.site, "name": job.name, **job.payload} for job in reversed(found)]


def kept(server: Server) -> dict[str, int]:
    """Return how many rows each table of portals and the inbox have."""
    counts = {}
    for file, tables in (("hookd.sqlite", ("portals", "portal_proofs")), ("inbox.sqlite", ("jobs",))):
        path = server.directory / "var" / file
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        for table in tables:
            counts[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        connection.close()
    return counts


def lead(bitrix24: Bitrix24, account: Account, number: int = 7, **options: Any) -> dict[str, Any]:
    return bitrix24.event(account, "ONCRMLEADADD", {"FIELDS": {"ID": number}}, **options)


def test_an_event_is_kept_before_it_is_answered(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    One row, with what the hook gets and no token; a second delivery of the same is known.
    """
    fields = lead(bitrix24, acme)

    first = bitrix24.send(f"{server.url}/bitrix24/event", fields)
    second = bitrix24.send(f"{server.url}/bitrix24/event", fields)

    assert (first.status_code, first.json()) == (200, {"state": "success", "hook": "crm_lead", "known": False})
    assert (second.status_code, second.json()) == (200, {"state": "success", "hook": "crm_lead", "known": True})
    assert rows(server, acme.member_id) == [
        {
            "site": "default",
            "name": "crm_lead",
            "object": f"{acme.member_id}/crm_lead:7",
            "event": {
                "code": "ONCRMLEADADD",
                "handler_id": "71",
                "at": fields["ts"],
                "data": {"FIELDS": {"ID": "7"}},
                "fields": {"ID": "7"},
                "user_id": 1,
                "portal": {
                    "member_id": acme.member_id,
                    "domain": bitrix24.domain(acme),
                    "status": "L",
                    "scopes": ["crm", "placement", "telephony"],
                },
            },
        }
    ]
    assert bitrix24.contacts == []


def test_an_event_without_a_hook_leaves_nothing(server: Server, bitrix24: Bitrix24, hooked: Account) -> None:
    """
    It is believed and answered, but there is nothing to do.
    """
    fields = bitrix24.event(hooked, "ONCRMDEALADD", {"FIELDS": {"ID": 1}}, user_id=None)
    fields["auth"]["application_token"] = WEBHOOK

    reply = bitrix24.send(f"{server.url}/sites/hooked/bitrix24/event", fields)

    assert (reply.status_code, reply.json()) == (200, {"state": "success", "hook": None, "known": False})
    assert rows(server, hooked.member_id) == []


def test_the_reference_s_events_reach_their_hooks(server: Server, bitrix24: Bitrix24) -> None:
    """
    The documented payloads, with the token of an installed portal: each is kept for the hook of its kind.
    """
    account = bitrix24.add("reference", member_id=payloads.MEMBER, application_token=payloads.TOKEN)
    bitrix24.install(f"{server.url}/bitrix24/install", account)

    replies = [
        bitrix24.send(f"{server.url}/bitrix24/event", fields)
        for fields in (payloads.REQUISITE_ADDED, payloads.RECURRING_EXPOSED)
    ]
    as_json = requests.post(f"{server.url}/bitrix24/event", json=payloads.REQUISITE_ADDED, timeout=30)

    assert [reply.json()["hook"] for reply in (*replies, as_json)] == [
        "crm_requisite",
        "crm_deal_recurring",
        "crm_requisite",
    ]
    assert [(row["name"], row["event"]["fields"]) for row in rows(server, payloads.MEMBER)] == [
        ("crm_requisite", {"ID": "27"}),
        ("crm_deal_recurring", {"ID": "9", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"}),
        ("crm_requisite", {"ID": 27}),
    ]


def test_an_outgoing_webhook_posts_events_to_its_site(server: Server, bitrix24: Bitrix24, hooked: Account) -> None:
    """
    Without an app, scope, status or tokens, by the token in the site's settings; and to no other site.
    """
    fields = lead(bitrix24, hooked, user_id=None)
    fields["auth"] = {
        name: fields["auth"][name] for name in ("domain", "client_endpoint", "server_endpoint", "member_id")
    } | {"application_token": WEBHOOK}

    own = bitrix24.send(f"{server.url}/sites/hooked/bitrix24/event", fields)
    others = [bitrix24.send(f"{server.url}{site}/bitrix24/event", fields) for site in ("", "/sites/bare")]

    assert (own.status_code, own.json()) == (200, {"state": "success", "hook": "oncrmleadadd", "known": False})
    assert [reply.status_code for reply in others] == [403, 403]


FORGED = {"application_token": "0" * 32}
Hostile = Callable[[Bitrix24, Account], bytes]
HOSTILE: dict[str, tuple[Hostile, int, str]] = {
    "wrong token": (
        lambda bitrix24, acme: payloads.form(
            {**lead(bitrix24, acme), "auth": {**bitrix24.auth(acme), "application_token": "0" * 32}}
        ),
        403,
        "untrusted",
    ),
    "empty token": (
        lambda bitrix24, acme: payloads.form(
            {**lead(bitrix24, acme), "auth": {**bitrix24.auth(acme), "application_token": ""}}
        ),
        403,
        "untrusted",
    ),
    "token as a list": (
        lambda bitrix24, acme: payloads.form(lead(bitrix24, acme)).replace(b"n_token%5D=", b"n_token%5D%5B%5D="),
        403,
        "untrusted",
    ),
    "unknown portal": (
        lambda bitrix24, acme: payloads.form(
            {**lead(bitrix24, acme), "auth": {**bitrix24.auth(acme), "member_id": "0" * 32}}
        ),
        403,
        "untrusted",
    ),
    "replayed install of a known portal": (
        lambda bitrix24, acme: payloads.form(
            bitrix24.event(acme, "ONAPPINSTALL")
            | {"auth": {**bitrix24.auth(acme), "access_token": "f" * 70, "refresh_token": "e", **FORGED}}
        ),
        403,
        "untrusted",
    ),
    "hostile addresses": (
        lambda bitrix24, acme: payloads.form(
            {
                **lead(bitrix24, acme),
                "auth": {
                    **bitrix24.auth(acme),
                    "member_id": "1" * 32,
                    "domain": "127.0.0.1:1/x",
                    "client_endpoint": f"{bitrix24.url}/evil/",
                    "server_endpoint": f"{bitrix24.url}/evil/",
                },
            }
        ),
        403,
        "untrusted",
    ),
    "deep brackets": (lambda *_: b"event=ONX&data" + b"[x]" * 2000 + b"=1", 400, "not_form"),
    "scalar and array": (lambda *_: b"event=ONX&auth=1&auth[x]=2", 400, "envelope"),
    "event twice, the second odd": (lambda *_: b"event=ONX&event[]=2&auth[member_id]=x", 400, "envelope"),
    "10 MB": (lambda *_: b"event=ONX&data=" + b"x" * 10_000_000, 413, "too_large"),
    "many variables": (lambda *_: b"a&" * 20_000, 400, "not_form"),
    "empty": (lambda *_: b"", 400, "envelope"),
    "JSON twice": (lambda *_: b'{"event": "ONX", "event": "ONY"}', 400, "not_json"),
    "JSON too deep": (lambda *_: b'{"event":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "not_json"),
    "no UTF-8": (lambda *_: b"event=%ff%fe&auth[member_id]=x", 400, "envelope"),
}


@pytest.mark.parametrize(("make", "status", "code"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_events_leave_nothing(
    server: Server, bitrix24: Bitrix24, acme: Account, make: Hostile, status: int, code: str
) -> None:
    """
    Refused with a word and a sentence; nothing is stored, and nobody asked but, for an install, the one fixed server.
    """
    body, before = make(bitrix24, acme), kept(server)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    reply = requests.post(f"{server.url}/bitrix24/event", data=body, headers=headers, timeout=30)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert kept(server) == before
    assert bitrix24.contacts == ([ASKED] if b"ONAPPINSTALL" in body else [])


def test_a_page_for_a_place_without_a_hook(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    In the language of the portal, framed by the stored portal and nobody else, without cookies.
    """
    fields = bitrix24.widget(acme, "CRM_LEAD_DETAIL_ACTIVITY", {"ID": "1"})

    replies = {
        language: bitrix24.open(
            f"{server.url}/bitrix24/placement", {**fields, "LANG": language, "DOMAIN": "evil.example"}
        )
        for language in ("ru", "en", "de")
    }

    texts = {language: re.search(r"<h1>(.*?)</h1>", reply.text) for language, reply in replies.items()}
    assert {language: found and found[1] for language, found in texts.items()} == {
        "ru": "Здесь пока пусто",
        "en": "Nothing here yet",
        "de": "Nothing here yet",
    }
    for reply in replies.values():
        policy = reply.headers["Content-Security-Policy"]
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert f"frame-ancestors 'self' {bitrix24.url}" in policy
        assert "evil" not in policy + reply.text
        assert "X-Frame-Options" not in reply.headers
        assert "Set-Cookie" not in reply.headers
    assert bitrix24.contacts == [ASKED]  # where the portal is now, since it says another host; once


REFUSED_PAGES: dict[str, dict[str, str]] = {
    "wrong token": {"APPLICATION_TOKEN": "0" * 32},
    "unknown portal": {"member_id": "0" * 32},
    "no code": {"PLACEMENT": ""},
    "script in the language": {"APPLICATION_TOKEN": "x", "LANG": "<script>alert(1)</script>"},
    "script in the code": {"PLACEMENT": "<script>alert(1)</script>"},
}


@pytest.mark.parametrize("changes", REFUSED_PAGES.values(), ids=REFUSED_PAGES)
@pytest.mark.parametrize("route", ["placement", "install"])
def test_a_refusal_is_a_page_too(
    server: Server, bitrix24: Bitrix24, acme: Account, route: str, changes: dict[str, str]
) -> None:
    """
    Never a blank frame, never JSON, and nothing of what was sent is in it.
    """
    fields = {**bitrix24.widget(acme, "LEFT_MENU"), **changes, "AUTH_ID": "f" * 70}
    before = kept(server)

    reply = bitrix24.open(f"{server.url}/bitrix24/{route}", fields)

    assert reply.status_code in (400, 403)
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<h1>" in reply.text
    assert "<script>alert" not in reply.text
    assert "f" * 70 not in reply.text
    assert kept(server) == before


def test_a_place_that_is_opened_without_a_form(server: Server) -> None:
    """
    Some are opened by GET with nothing at all, and people try addresses: a page says that it is not known who asks.
    """
    replies = [server.get(f"bitrix24/{path}") for path in ("placement", "install", "placement?LANG=ru")]

    titles = [re.findall("<h1>(.*?)</h1>", reply.text)[0] for reply in replies]
    assert [reply.status_code for reply in replies] == [400, 400, 400]
    assert titles == ["Open this page in Bitrix24"] * 2 + ["Откройте эту страницу в Битрикс24"]


def test_the_install_page_of_an_app_with_pages(server: Server, bitrix24: Bitrix24) -> None:
    """
    The tokens in it are confirmed and kept, and the page tells the portal that the installation is over.
    """
    account = bitrix24.add("paged")
    fields = bitrix24.widget(account, "DEFAULT", user_id=1)
    bitrix24.contacts.clear()

    reply = bitrix24.open(f"{server.url}/bitrix24/install", fields)
    event = bitrix24.send(f"{server.url}/bitrix24/event", lead(bitrix24, account))

    policy = reply.headers["Content-Security-Policy"]
    [nonce] = re.findall(r"script-src 'nonce-([^']+)' https://api\.bitrix24\.com;", policy)
    assert (reply.status_code, "Приложение установлено" in reply.text) == (200, True)
    assert set(re.findall(r'<(?:script|style)[^>]*nonce="([^"]*)"', reply.text)) == {nonce}
    assert f'<script nonce="{nonce}" src="https://api.bitrix24.com/api/v1/" defer></script>' in reply.text
    assert fields["AUTH_ID"] not in reply.text
    assert event.status_code == 200
    assert bitrix24.contacts == [ASKED, *["POST /portal/paged/rest/batch"] * 2]  # what is bound, and binding


def test_uninstalled_portals_are_strangers(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    After ONAPPUNINSTALL nothing more is taken from the portal; the hook learns of it, and whether to clean up.
    """
    url = f"{server.url}/bitrix24/event"

    gone = bitrix24.uninstall(url, acme, clean=1)
    after = bitrix24.send(url, lead(bitrix24, acme))

    assert (gone.status_code, gone.json()["hook"], after.status_code) == (200, "other", 403)
    [event] = rows(server, acme.member_id, of_app=True)
    assert (event["event"]["code"], event["event"]["data"]) == ("ONAPPUNINSTALL", {"LANGUAGE_ID": "ru", "CLEAN": "1"})


def test_a_forged_uninstall_reaches_nobody(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    With the application token that every employee can see: refused, logged, and no hook cleans up after a portal
    that is still there.
    """
    forged = bitrix24.event(acme, "ONAPPUNINSTALL", {"LANGUAGE_ID": "ru", "CLEAN": 1})
    before = kept(server)

    refused = bitrix24.send(f"{server.url}/bitrix24/event", forged)
    after = bitrix24.send(f"{server.url}/bitrix24/event", lead(bitrix24, acme))

    assert (refused.status_code, refused.json()["error"]["code"], after.status_code) == (403, "untrusted", 200)
    assert kept(server) == before | {"jobs": before["jobs"] + 1}
    assert [line["portal"] for line in server.lines("portal_not_uninstalled")] == [acme.member_id]


def test_a_site_that_is_not_there_is_like_one_that_knows_nobody(
    server: Server, bitrix24: Bitrix24, acme: Account
) -> None:
    """
    Whoever guesses the names of sites learns nothing.
    """
    found = []
    for site in ("bare", "nope"):
        url = f"{server.url}/sites/{site}/bitrix24"
        replies = [
            bitrix24.send(f"{url}/event", lead(bitrix24, acme)),
            bitrix24.install(f"{url}/install", acme),
            bitrix24.open(f"{url}/placement", bitrix24.widget(acme, "LEFT_MENU")),
            bitrix24.open(f"{url}/install", bitrix24.widget(acme, "DEFAULT", user_id=1)),
            requests.post(f"{url}/event", data=b"x", timeout=30),
        ]
        texts = [re.sub("nonce.{0,40}|[0-9a-f]{22}", "", reply.text.replace(site, "SITE")) for reply in replies]
        found.append([(reply.status_code, text) for reply, text in zip(replies, texts, strict=True)])

    assert [status for status, _ in found[0]] == [403, 403, 403, 403, 400]
    assert found[0] == found[1]


def test_a_query_of_odd_bytes_is_answered(server: Server) -> None:
    """
    Bytes in the address that are no ASCII break nothing.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as opened:
        head = b"POST /bitrix24/placement?LANG=\xd0\x90%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
        opened.sendall(head + b"Connection: close\r\n\r\n")
        reply = opened.makefile("rb").read()

    assert reply.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_cut_off_is_no_event(
    server: Server, bitrix24: Bitrix24, acme: Account, *, is_chunked: bool
) -> None:
    """
    What came before the sender hung up is not taken for all of it, be its length announced or not.
    """
    body = payloads.form(lead(bitrix24, acme))
    head = b"POST /bitrix24/event HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    if is_chunked:
        head += b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
        body += b"\r\n"
    else:
        head += b"Content-Length: %d\r\n\r\n" % (len(body) + 10)
    refused = len(server.lines("refused"))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as opened:
        opened.sendall(head + body)
    server.wait(lambda: len(server.lines("refused")) > refused, "the refusal")

    assert rows(server, acme.member_id) == []


@pytest.mark.parametrize("path", ["bitrix24/event", "process_client_phone"])
def test_a_body_that_ends_too_late_is_refused(server: Server, path: str) -> None:
    """
    Also where it is the last piece that makes it too long, and nothing is left to be read.
    """
    limit = 256 * 1024 if path == "bitrix24/event" else 1024 * 1024
    pieces = iter([b"x" * limit, b"x"])

    reply = requests.post(f"{server.url}/{path}", data=pieces, timeout=30)

    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


def test_a_time_that_no_portal_has_is_none(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    JSON has numbers without an end: such a time is a warning, and the event is kept.
    """
    fields = lead(bitrix24, acme) | {"ts": 10**400}
    headers = {"Content-Type": "application/json"}

    reply = requests.post(f"{server.url}/bitrix24/event", data=json.dumps(fields), headers=headers, timeout=30)

    assert (reply.status_code, reply.json()) == (200, {"state": "success", "hook": "crm_lead", "known": False})
    assert [row["event"]["at"] for row in rows(server, acme.member_id)] == [None]


def test_a_fault_of_ours_is_told_as_an_event_that_is_lost(tmp_path: Path) -> None:
    """
    Whatever goes wrong within hookd, the portal gets an answer, and the operator a line and a figure.
    """

    def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    site = SimpleNamespace(
        settings=SiteSettings("UTC", "RU", "", {}, (), (), "off", "masked"), hooks=SimpleNamespace(directory=tmp_path)
    )
    service: Any = SimpleNamespace(
        portal=SimpleNamespace(events=SimpleNamespace(take=fail)), sites={"acme": site}, settings=None
    )
    before = lost("acme")

    answer = events.take(service, "acme", b"", "")

    assert (answer.status, answer.headers) == (503, {"Hookd-Reason": "internal", "Retry-After": "60"})
    assert answer.document == {
        "state": "error",
        "error": {"code": "internal", "message": "the event could not be kept"},
    }
    assert lost("acme") == before + 1


def lost(site: str) -> float:
    return metrics.LOST_JOBS.labels(site, EVENT, "internal")._value.get()  # type: ignore[no-any-return]


def test_a_body_in_chunks_is_read(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Proxies may send it so; the limit holds there as well.
    """
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    url = f"{server.url}/bitrix24/event"
    body = payloads.form(lead(bitrix24, acme, 99))

    good = requests.post(url, data=iter([body[:50], body[50:]]), headers=headers, timeout=30)
    large = requests.post(url, data=iter([b"x" * 700_000] * 3), headers=headers, timeout=30)

    assert (good.status_code, large.status_code) == (200, 413)
    assert [row["event"]["fields"] for row in rows(server, acme.member_id)] == [{"ID": "99"}]


def test_no_secret_is_in_the_log(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Neither tokens nor the app's secret are in the log, nor in the files of the state directory.
    """
    fields, widget = lead(bitrix24, acme, 1234), bitrix24.widget(acme, "LEFT_MENU")
    bitrix24.send(f"{server.url}/bitrix24/event", fields)
    bitrix24.open(f"{server.url}/bitrix24/placement", widget)
    bitrix24.open(f"{server.url}/bitrix24/placement", {**widget, "APPLICATION_TOKEN": "0" * 32})
    server.wait(lambda: "1234" in server.log(), "the log line")

    files = [path.read_bytes() for path in (server.directory / "var").rglob("*") if path.is_file()]
    for secret in (
        fields["auth"]["access_token"],
        acme.application_token,
        widget["AUTH_ID"],
        widget["REFRESH_ID"],
        "app-secret-0123456789",
    ):
        assert secret not in server.log()
        assert not [file for file in files if secret.encode() in file]


def test_an_event_that_cannot_be_kept_is_not_promised(bitrix24: Bitrix24, tmp_path: Path) -> None:
    """
    A database that is damaged is answered with 503, whatever the portal makes of it.
    """
    directory = tmp_path / "server"
    (directory / "hooks" / "events").mkdir(parents=True)
    (directory / "hooks" / "events" / "other.py").write_text("def other(event): ...\n")
    (directory / "var").mkdir()
    (directory / "var" / "inbox.sqlite").write_bytes(b"no database at all" * 100)
    server = serve_with(bitrix24, directory)
    account = bitrix24.add("unlucky")
    try:
        bitrix24.install(f"{server.url}/bitrix24/install", account)
        reply = bitrix24.send(f"{server.url}/bitrix24/event", lead(bitrix24, account))
    finally:
        finish(server)

    assert (reply.status_code, reply.json()) == (
        503,
        {"state": "error", "error": {"code": "storage", "message": "the event could not be kept"}},
    )
    assert (reply.headers["Hookd-Reason"], reply.headers["Retry-After"]) == ("storage", "60")


def test_a_flood_of_events_ends_at_the_limit(bitrix24: Bitrix24, tmp_path: Path) -> None:
    """
    A site that has as many events as it may have gets no more of them: 503 says why, the log and the figures count it,
    and what is known already is answered as ever.
    """
    directory = tmp_path / "server"
    (directory / "hooks" / "events").mkdir(parents=True)
    (directory / "hooks" / "events" / "crm_lead.py").write_text("def crm_lead(event): return 1 / 0\n")
    server = serve_with(bitrix24, directory, config=f"{SITE}jobs_waiting_max = 2\n")
    account = bitrix24.add("flooding")
    url = f"{server.url}/bitrix24/event"
    try:
        bitrix24.install(f"{server.url}/bitrix24/install", account)
        events = [lead(bitrix24, account, number) for number in range(3)]
        replies = [bitrix24.send(url, fields) for fields in (*events, events[0])]
        server.wait(lambda: len(server.lines("inbox_full")) == 1, "the line")
        figures, waiting = server.get("metrics").text, rows(server, account.member_id)
        lost, full = server.lines("event_lost"), server.lines("inbox_full")
    finally:
        finish(server)

    assert [reply.status_code for reply in replies] == [200, 200, 503, 200]
    assert replies[2].json() == {"state": "error", "error": {"code": "full", "message": "the event could not be kept"}}
    assert (replies[2].headers["Hookd-Reason"], replies[2].headers["Retry-After"]) == ("full", "60")
    assert replies[3].json() == {"state": "success", "hook": "crm_lead", "known": True}
    assert [row["event"]["fields"]["ID"] for row in waiting] == ["0", "1"]
    assert [(line["site"], line["reason"]) for line in lost] == [("default", "full")]
    assert [(line["site"], line["setting"]) for line in full] == [("default", "jobs_waiting_max")]
    assert 'hookd_lost_jobs_total{kind="event",reason="full",site="default"} 1.0' in figures
