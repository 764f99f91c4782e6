"""
All that portals send, and what they never would, to a hookd that runs: what a hook gets of it, and what nobody does.
"""

import html
import json
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from hookd.jobs import Jobs
from tests.conftest import Server, finish, write_hooks
from tests.portal import payloads
from tests.portal.server import Account, Bitrix24
from tests.portal.serving import serve_with

ASKED = "GET /oauth-info/rest/app.info/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOOKS = {
    "events/other.py": "def other(event): ...\n",
    "placements/other.py": "def other(placement):\n    return {'template': 'echo.html', 'context': {}}\n",
    "templates/echo.html": "<pre>{{ placement|tojson }}</pre>\n",
}


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hookd with hooks that take everything, and show what they got."""
    directory = tmp_path_factory.mktemp("server")
    write_hooks(directory, HOOKS)
    started = serve_with(bitrix24, directory)
    yield started
    finish(started)


@pytest.fixture(scope="module")
def acme(server: Server, bitrix24: Bitrix24) -> Account:
    return installed(server, bitrix24, "acme")


def installed(server: Server, bitrix24: Bitrix24, name: str, **options: Any) -> Account:
    account = bitrix24.add(name, **options)
    assert bitrix24.install(f"{server.url}/bitrix24/install", account).status_code == 200
    return account


def opened(server: Server, bitrix24: Bitrix24, fields: dict[str, str]) -> dict[str, Any]:
    """Open a place, and return what its hook got."""
    reply = bitrix24.open(f"{server.url}/bitrix24/placement", fields)
    assert reply.status_code == 200, reply.text
    [shown] = re.findall("<pre>(.*?)</pre>", reply.text)
    found: dict[str, Any] = json.loads(html.unescape(shown))
    return found


def events(server: Server, account: Account) -> list[dict[str, Any]]:
    """Return what hooks will get of the portal's events, the oldest first."""
    jobs = Jobs(server.directory / "var")
    found = [job.payload for job in jobs.all() if job.payload["object"].startswith(account.member_id)]
    jobs.close()
    return [payload["event"] for payload in reversed(found) if payload["event"]["code"] != "ONAPPINSTALL"]


def kept(server: Server) -> dict[str, list[Any]]:
    """Return all rows of portals, their proofs and the inbox."""
    found = {}
    for file, tables in (("hookd.sqlite", ("portals", "portal_proofs")), ("inbox.sqlite", ("jobs",))):
        connection = sqlite3.connect(f"file:{server.directory / 'var' / file}?mode=ro", uri=True)
        for table in tables:
            found[table] = connection.execute(f"SELECT * FROM {table}").fetchall()
        connection.close()
    return found


# ---- what the reference shows ---------------------------------------------------------------------------------------


def test_the_reference_s_events_as_they_stand(server: Server, bitrix24: Bitrix24) -> None:
    """
    Not a letter is changed: the portal that they name has their application token.
    """
    account = installed(server, bitrix24, "reference", member_id=payloads.MEMBER, application_token=payloads.TOKEN)

    replies = [
        bitrix24.send(f"{server.url}/bitrix24/event", fields)
        for fields in (payloads.REQUISITE_ADDED, payloads.RECURRING_EXPOSED)
    ]

    taken = {"state": "success", "hook": "other", "known": False}
    assert [(reply.status_code, reply.json()) for reply in replies] == [(200, taken), (200, taken)]
    assert [
        (event["code"], event["handler_id"], event["at"], event["fields"]) for event in events(server, account)
    ] == [
        ("ONCRMREQUISITEADD", "", 1466439714, {"ID": "27"}),
        ("ONCRMDEALRECURRINGEXPOSE", "683", 1741092489, {"ID": "9", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"}),
    ]


@pytest.mark.parametrize(
    "fields", [*payloads.DETAIL_ACTIVITIES, payloads.CALL_CARD], ids=lambda fields: fields["PLACEMENT"]
)
def test_the_reference_s_places_as_they_stand(server: Server, bitrix24: Bitrix24, fields: dict[str, str]) -> None:
    """
    They show no application token: the authorization server is asked whose token it is that comes along.
    """
    member = fields["member_id"]
    account = next((one for one in bitrix24.accounts if one.member_id == member), None) or installed(
        server, bitrix24, f"reference-{member}", member_id=member
    )
    bitrix24.issue(account, 5, access=fields["AUTH_ID"])
    bitrix24.contacts.clear()

    placement = opened(server, bitrix24, fields)

    raw = json.loads(fields["PLACEMENT_OPTIONS"])
    call: dict[str, Any] = {"CRM_ENTITY_TYPE": None, "CRM_ENTITY_ID": None, "CRM_ACTIVITY_ID": None, "CRM_BINDINGS": []}
    is_call = fields["PLACEMENT"] == "CALL_CARD"
    assert placement == {
        "code": fields["PLACEMENT"],
        "options": raw | call | {"CALL_LIST_MODE": False} if is_call else raw,
        "raw": raw,
        "entity_type_id": 183 if "DYNAMIC" in fields["PLACEMENT"] else None,
        "uri": "",
        "language": "en",
        "user_id": None,
        "portal": {"member_id": member, "domain": "xxx.bitrix24.com", "status": "L", "scopes": []},
        "form": None,
    }
    assert set(bitrix24.contacts) <= {ASKED, "GET /oauth-tech/rest/app.info/"}


# ---- what portals send beyond it ------------------------------------------------------------------------------------

BARE = ("domain", "client_endpoint", "server_endpoint", "member_id", "application_token")  # of an outgoing webhook
EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "without scope, status or tokens": (
        {"event": "ONCRMLEADADD", "data": {"FIELDS": {"ID": 1}}, "keys": BARE},
        {"code": "ONCRMLEADADD", "fields": {"ID": "1"}, "user_id": None},
    ),
    "tokens, but none to renew them": (
        {"event": "ONCRMLEADADD", "data": {"FIELDS": {"ID": 2}}},
        {"code": "ONCRMLEADADD", "fields": {"ID": "2"}, "user_id": 1},
    ),
    "mixed case, no handler": (
        {"event": "onCrmRequisiteUpdate", "event_handler_id": None, "data": {"FIELDS": {"ID": 3}}},
        {"code": "ONCRMREQUISITEUPDATE", "handler_id": "", "fields": {"ID": "3"}},
    ),
    "three ids": (
        {
            "event": "ONCRMDEALRECURRINGEXPOSE",
            "data": {"FIELDS": {"ID": 9, "RECURRING_DEAL_ID": 0, "DEAL_ID": 6799}},
            "user_id": None,
        },
        {"fields": {"ID": "9", "RECURRING_DEAL_ID": "0", "DEAL_ID": "6799"}, "user_id": None},
    ),
    "no data": ({"event": "ONOFFLINEEVENT", "data": []}, {"code": "ONOFFLINEEVENT", "data": {}, "fields": {}}),
    "undefined": (
        {"event": "ONTASKADD", "data": {"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": 12}}},
        {"data": {"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": "12"}}},
    ),
    "a bare value": ({"event": "ONIMCONNECTORLINEDELETE", "data": 7}, {"data": "7", "fields": {}}),
    "a custom type": (
        {"event": "ONCRMDYNAMICITEMADD_147", "data": {"FIELDS": {"ID": 3, "ENTITY_TYPE_ID": 147}}},
        {"code": "ONCRMDYNAMICITEMADD_147", "fields": {"ID": "3", "ENTITY_TYPE_ID": "147"}},
    ),
    "dots": (
        {"event": "CATALOG.PRICE.ON.ADD", "data": {"FIELDS": {"ID": 9}}},
        {"code": "CATALOG.PRICE.ON.ADD", "fields": {"ID": "9"}},
    ),
    "an address by names": (
        {
            "event": "ONCRMADDRESSREGISTER",
            "data": {"FIELDS": {"TYPE_ID": "PRIMARY", "ENTITY_TYPE_ID": "REQUISITE", "ENTITY_ID": 17}},
        },
        {"fields": {"TYPE_ID": "PRIMARY", "ENTITY_TYPE_ID": "REQUISITE", "ENTITY_ID": "17"}},
    ),
    "an address by numbers": (
        {"event": "ONCRMADDRESSUNREGISTER", "data": {"FIELDS": {"TYPE_ID": 1, "ENTITY_TYPE_ID": 8, "ENTITY_ID": 17}}},
        {"fields": {"TYPE_ID": "1", "ENTITY_TYPE_ID": "8", "ENTITY_ID": "17"}},
    ),
}


@pytest.mark.parametrize(("sent", "seen"), EVENTS.values(), ids=EVENTS)
def test_what_hooks_get_of_events(
    server: Server, bitrix24: Bitrix24, acme: Account, sent: dict[str, Any], seen: dict[str, Any]
) -> None:
    """
    Kept once, as it was sent, and nobody is asked.
    """
    options = dict(sent)
    code, data, keys = options.pop("event"), options.pop("data"), options.pop("keys", None)
    fields = bitrix24.event(acme, code, data, **options)
    if keys:
        fields["auth"] = {key: fields["auth"][key] for key in keys}
    before = len(events(server, acme))
    bitrix24.contacts.clear()

    replies = [bitrix24.send(f"{server.url}/bitrix24/event", fields) for _ in range(2)]

    assert [(reply.status_code, reply.json()["known"]) for reply in replies] == [(200, False), (200, True)]
    [event] = events(server, acme)[before:]
    assert {key: event[key] for key in seen} == seen
    assert bitrix24.contacts == []


PLACES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "an older portal": (
        {"PLACEMENT": "CRM_LEAD_DETAIL_TAB", "PLACEMENT_OPTIONS": '{"ID":"1"}', "APPLICATION_TOKEN": ""},
        {"options": {"ID": "1"}},
    ),
    "a subscription": ({"PLACEMENT": "LEFT_MENU", "status": "S"}, {"options": {}, "raw": {}}),
    "PHP's empty map": ({"PLACEMENT": "LEFT_MENU", "PLACEMENT_OPTIONS": "[]"}, {"options": {}, "raw": {}}),
    "broken options": (
        {"PLACEMENT": "LEFT_MENU", "PLACEMENT_OPTIONS": '{"ID":"1'},
        {"options": {}, "raw": '{"ID":"1'},
    ),
    "options too deep": (
        {"PLACEMENT": "LEFT_MENU", "PLACEMENT_OPTIONS": "[" * 5000 + "]" * 5000},
        {"options": {}, "raw": "[" * 5000 + "]" * 5000},
    ),
    "the page around it": (
        {"PLACEMENT": "LEFT_MENU", "PLACEMENT_OPTIONS": '{"URI":"/crm/?a=1&sessid=0123abcd"}'},
        {"options": {}, "uri": "/crm/?a=1&sessid=***"},
    ),
    "a call of nobody known": (
        {
            "PLACEMENT": "CALL_CARD",
            "PLACEMENT_OPTIONS": json.dumps(
                {
                    "CALL_ID": "c",
                    "CRM_ENTITY_TYPE": "",
                    "CRM_ENTITY_ID": "0",
                    "CRM_ACTIVITY_ID": "undefined",
                    "CRM_BINDINGS": [{"OWNER_TYPE_ID": 1, "OWNER_ID": 5}],
                    "CALL_LIST_MODE": "false",
                }
            ),
        },
        {
            "options": {
                "CALL_ID": "c",
                "PHONE_NUMBER": "",
                "LINE_NUMBER": "",
                "LINE_NAME": "",
                "CRM_ENTITY_TYPE": None,
                "CRM_ENTITY_ID": None,
                "CRM_ACTIVITY_ID": None,
                "CRM_BINDINGS": [{"OWNER_TYPE_ID": 1, "OWNER_ID": 5}],
                "CALL_DIRECTION": "",
                "CALL_STATE": "",
                "CALL_LIST_MODE": False,
            }
        },
    ),
}


@pytest.mark.parametrize(("changes", "seen"), PLACES.values(), ids=PLACES)
def test_what_hooks_get_of_places(
    server: Server, bitrix24: Bitrix24, acme: Account, changes: dict[str, str], seen: dict[str, Any]
) -> None:
    """
    Whatever is missing or odd about the options, there is a page.
    """
    fields = bitrix24.widget(acme, "LEFT_MENU") | changes
    bitrix24.contacts.clear()

    placement = opened(server, bitrix24, {name: value for name, value in fields.items() if value})

    assert {key: placement[key] for key in seen} == seen
    assert placement["portal"]["status"] == changes.get("status", "L")
    assert bitrix24.contacts == ([] if changes.get("APPLICATION_TOKEN", "x") else [ASKED])


def test_a_place_that_opens_with_nothing(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    BI_ANALYTICS_MENU is opened by GET: nobody is known by that, and the page says so.
    """
    bitrix24.contacts.clear()

    reply = server.get("bitrix24/placement")

    assert (reply.status_code, "<h1>Open this page in Bitrix24</h1>" in reply.text) == (400, True)
    assert bitrix24.contacts == []


# ---- what no portal sends -------------------------------------------------------------------------------------------

DEEP = "[x]" * 2000
PAGES: dict[str, tuple[str, bytes, dict[str, str], int]] = {
    "deep brackets": ("", b"PLACEMENT=LEFT_MENU&member_id" + DEEP.encode() + b"=1", FORM, 400),
    "deep brackets in the query": (f"LANG{DEEP}=1", b"PLACEMENT=LEFT_MENU&member_id=x", FORM, 400),
    "deep options": (
        "",
        urlencode({"PLACEMENT": "LEFT_MENU", "member_id": "0" * 32, "PLACEMENT_OPTIONS": "[" * 10_000}).encode(),
        FORM,
        403,
    ),
    "scalar and array": ("", b"PLACEMENT=LEFT_MENU&member_id=1&member_id[x]=2", FORM, 400),
    "a list for a code": ("", b"PLACEMENT[]=LEFT_MENU&member_id=1", FORM, 400),
    "another portal the second time": ("member_id=ACME", b"PLACEMENT=LEFT_MENU&member_id=" + b"0" * 32, FORM, 403),
    "10 MB": ("", b"PLACEMENT=LEFT_MENU&x=" + b"x" * 10_000_000, FORM, 413),
    "many variables": ("", b"a&" * 20_000, FORM, 400),
    "no UTF-8": ("", b"PLACEMENT=%ff&member_id=x", FORM, 400),
    "a file": ("", b"--x\r\n\r\nx\r\n--x--", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
    "JSON twice": ("", b'{"PLACEMENT": "A", "PLACEMENT": "B"}', {"Content-Type": "application/json"}, 400),
    "a number": ("", b"7", {"Content-Type": "application/json"}, 400),
    "nothing": ("", b"", FORM, 400),
}


@pytest.mark.parametrize(("query", "body", "headers", "status"), PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("route", ["placement", "install"])
def test_hostile_pages_leave_nothing(
    server: Server,
    bitrix24: Bitrix24,
    acme: Account,
    route: str,
    query: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    """
    Each gets a page that says no, at once; nothing is stored, and nobody asked.
    """
    before = kept(server)
    bitrix24.contacts.clear()

    reply = requests.post(
        f"{server.url}/bitrix24/{route}?{query.replace('ACME', acme.member_id)}", data=body, headers=headers, timeout=30
    )

    title = {"placement": "This page could not be opened", "install": "The app could not be installed"}
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert f"<h1>{title[route]}</h1>" in reply.text
    assert kept(server) == before
    assert bitrix24.contacts == []


@contextmanager
def trap() -> Iterator[tuple[str, list[str]]]:
    """Give an address of this machine; what is in the list at the end has come to it."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}", came
        listening.setblocking(False)
        with suppress(BlockingIOError):
            came.append(str(listening.accept()[1]))


def test_addresses_in_requests_are_never_asked(server: Server, bitrix24: Bitrix24) -> None:
    """
    Install, page and event of a portal that is right in all but where it says to be: hookd asks where it really is.
    """
    account = bitrix24.add("elsewhere")
    with trap() as (address, came):
        lies = {"DOMAIN": address, "PROTOCOL": "0", "SERVER_ENDPOINT": f"http://{address}/rest/"}
        auth = {
            "domain": address,
            "client_endpoint": f"http://{address}/rest/",
            "server_endpoint": f"http://{address}/rest/",
        }
        page = bitrix24.widget(account, "DEFAULT", user_id=1) | lies
        event = bitrix24.event(account, "ONAPPUPDATE", {"VERSION": 2})
        event["auth"] |= auth
        gone = bitrix24.event(account, "ONAPPUNINSTALL", {"CLEAN": 1})
        gone["auth"] |= auth

        replies = [
            bitrix24.open(f"{server.url}/bitrix24/install", page),
            bitrix24.open(f"{server.url}/bitrix24/placement", bitrix24.widget(account, "LEFT_MENU") | lies),
            bitrix24.send(f"{server.url}/bitrix24/event", event),
            bitrix24.send(f"{server.url}/bitrix24/event", gone),
        ]

    assert [reply.status_code for reply in replies] == [200, 200, 200, 403]
    assert account.calls[:3] == ["batch", "event.get", "placement.get"]
    assert came == []
