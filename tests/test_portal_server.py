"""
The stand-in for Bitrix24 does what the vendor's reference says of the real one.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from tests.portal import payloads
from tests.portal.server import APP_ID, APP_SECRET, Account, Bitrix24, Issued


@pytest.fixture
def bitrix24() -> Iterator[Bitrix24]:
    with Bitrix24() as started:
        yield started


@pytest.fixture
def acme(bitrix24: Bitrix24) -> Account:
    return bitrix24.add("acme")


def call(bitrix24: Bitrix24, account: Account, method: str, token: str, **fields: Any) -> tuple[int, Any]:
    url = bitrix24.endpoint(account) + method
    reply = requests.post(url, json={**fields, "auth": token}, timeout=10, allow_redirects=False)
    return reply.status_code, reply.json() if reply.content else reply.headers["Location"]


def renew(bitrix24: Bitrix24, issued: Issued, **changes: str) -> tuple[int, Any]:
    parameters = {"grant_type": "refresh_token", "client_id": APP_ID, "client_secret": APP_SECRET}
    url = f"{bitrix24.addresses['oauth.bitrix.info']}/oauth/token/"
    reply = requests.get(url, params={**parameters, "refresh_token": issued.refresh, **changes}, timeout=10)
    return reply.status_code, reply.json()


def test_writes_events_as_a_portal_does(bitrix24: Bitrix24, acme: Account) -> None:
    """
    Brackets are escaped, scalars are text, null and empty arrays leave nothing; tokens come where somebody acted.
    """
    body = payloads.form({"event": "ONX", "data": {"A": [1, True, None], "B": [], "C": {"D": "x y"}}, "ts": 5})

    assert body == b"event=ONX&data%5BA%5D%5B0%5D=1&data%5BA%5D%5B1%5D=1&data%5BC%5D%5BD%5D=x+y&ts=5"
    assert "access_token" not in bitrix24.event(acme, "ONAPPUNINSTALL")["auth"]
    assert "refresh_token" not in bitrix24.event(acme, "ONCRMLEADADD")["auth"]
    assert {"access_token", "refresh_token"} <= bitrix24.event(acme, "ONAPPINSTALL")["auth"].keys()


def test_tokens_expire_and_are_renewed_once(bitrix24: Bitrix24, acme: Account) -> None:
    """
    A refresh token is good once, and only with the app's secret.
    """
    issued = bitrix24.issue(acme)
    before = call(bitrix24, acme, "profile", issued.access)[0]
    bitrix24.expire_all()

    expired = call(bitrix24, acme, "profile", issued.access)
    wrong = renew(bitrix24, issued, client_secret="x")
    first, second = renew(bitrix24, issued), renew(bitrix24, issued)

    assert (before, expired[0], expired[1]["error"]) == (200, 401, "expired_token")
    assert (wrong[1]["error"], first[0], second) == (
        "invalid_client",
        200,
        (400, {"error": "invalid_grant", "error_description": ""}),
    )
    assert call(bitrix24, acme, "profile", first[1]["access_token"])[0] == 200


def test_refuses_above_its_limit(bitrix24: Bitrix24, acme: Account) -> None:
    """
    50 at once, and 2 a second.
    """
    token = bitrix24.issue(acme).access

    statuses = [call(bitrix24, acme, "profile", token)[0] for _ in range(70)]

    assert statuses[:50] == [200] * 50
    assert 503 in statuses


def test_a_renamed_portal_redirects(bitrix24: Bitrix24, acme: Account) -> None:
    """
    The old address points to the same method at the new one.
    """
    token, old = bitrix24.issue(acme).access, bitrix24.endpoint(acme)
    bitrix24.rename(acme, "new")

    reply = requests.post(f"{old}profile", json={"auth": token}, timeout=10, allow_redirects=False)

    assert (reply.status_code, reply.headers["Location"]) == (302, f"{bitrix24.endpoint(acme)}profile")


def test_binds_what_it_knows(bitrix24: Bitrix24, acme: Account) -> None:
    """
    For administrators, once each, events and placements alike.
    """
    administrator, employee = bitrix24.issue(acme, 1).access, bitrix24.issue(acme, 5).access
    event = {"event": "onCrmLeadAdd", "handler": "https://h.example/event"}

    found = [
        call(bitrix24, acme, "event.bind", administrator, **event),
        call(bitrix24, acme, "event.bind", administrator, **event),
        call(bitrix24, acme, "event.bind", employee, **event),
        call(bitrix24, acme, "event.bind", administrator, event="ONNOPE", handler="x"),
        call(bitrix24, acme, "placement.bind", administrator, PLACEMENT="CALL_CARD", HANDLER="https://h.example/p"),
    ]

    told = [document.get("error") or document["result"] for _, document in found]
    assert told == [True, "ERROR_CORE", "ACCESS_DENIED", "ERROR_EVENT_NOT_FOUND", True]
    assert acme.bound == [
        {"code": "ONCRMLEADADD", "handler": "https://h.example/event", "title": ""},
        {"code": "CALL_CARD", "handler": "https://h.example/p", "title": ""},
    ]


def test_a_widget_is_a_form_that_submits_itself_into_an_iframe(bitrix24: Bitrix24, acme: Account) -> None:
    """
    The frame's name is what the vendor's script reads; four fields are in the address, the others in the body.
    """
    handler = "https://hookd.example/bitrix24/placement"
    options = '{"ID":"7"}'

    page = requests.get(
        f"{bitrix24.url}/portal/acme/page?code=CRM_LEAD_DETAIL_TAB&lang=en&options={quote(options)}"
        f"&handler={quote(handler)}",
        timeout=10,
    ).text

    [frame] = re.findall(r'<iframe name="([^"]*)"', page)
    [action] = re.findall(r'<form method="post" action="([^"]*)" target="' + re.escape(frame) + '"', page)
    query = {name: values[0] for name, values in parse_qs(urlsplit(unescape(action)).query).items()}
    inputs = {name: unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', page)}
    assert unescape(action).startswith(f"{handler}?")
    assert frame == f"{bitrix24.domain(acme)}|0|{query['APP_SID']}"
    assert {*query} == {"DOMAIN", "PROTOCOL", "LANG", "APP_SID"}
    assert (inputs["PLACEMENT"], inputs["PLACEMENT_OPTIONS"], query["LANG"]) == (
        "CRM_LEAD_DETAIL_TAB",
        '{"ID": "7"}',
        "en",
    )
    assert "document.forms[0].submit()" in page
