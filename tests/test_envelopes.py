"""
Events and placements are read with patience: what the vendor's reference shows, and what portals send beyond it.
"""

import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hookd import contract, documents
from hookd.documents import Json
from hookd.errors import EnvelopeError, Violation
from hookd.portal import forms
from hookd.portal.envelopes import SECRETS, Event, Placement, read_event, read_placement
from tests.conftest import ROOT
from tests.portal import payloads
from tests.portal.payloads import DOMAIN, MEMBER, TOKEN

WEBHOOK_AUTH = {
    "domain": DOMAIN,
    "client_endpoint": f"https://{DOMAIN}/rest/",
    "server_endpoint": "https://oauth.bitrix24.tech/rest/",
    "member_id": MEMBER,
    "application_token": TOKEN,
}
EMPTY = "; the options count as empty"
PORTAL = {"member_id": MEMBER, "domain": DOMAIN, "status": "F", "scopes": ["crm"]}


def event(**fields: Any) -> Event:
    """Return the event of *fields* over a lead that was made, by way of the wire."""
    whole = {"event": "ONCRMLEADADD", "data": {"FIELDS": {"ID": 365}}, "ts": 1545851621, "auth": WEBHOOK_AUTH, **fields}
    return read_event(forms.parse(payloads.form(whole)))


def placement(fields: dict[str, str]) -> Placement:
    """Return the placement of *fields*, split between query string and body as portals split them."""
    query, body = (forms.parse(payloads.form(part)) for part in payloads.split(fields))
    return read_placement(query, body)


def test_takes_the_reference_s_event_of_a_requisite() -> None:
    """
    Mixed case, a number for an id, no event_handler_id: a hook sees what there is, the code in capitals, no tokens.
    """
    found = read_event(payloads.REQUISITE_ADDED)

    assert found.warnings == ()
    assert found.document() == {
        "code": "ONCRMREQUISITEADD",
        "handler_id": "",
        "at": 1466439714,
        "data": {"FIELDS": {"ID": 27}},
        "fields": {"ID": 27},
        "user_id": None,
        "portal": PORTAL,
    }
    assert found.claim.access_token == "s6p6eclrvim6da22ft9ch94ekreb52lv"
    assert found.claim.application_token == TOKEN
    assert found.object_key == "crm_requisite:27"


def test_takes_the_reference_s_event_of_a_recurring_deal() -> None:
    """
    The three ids come through as they are.
    """
    found = read_event(forms.parse(payloads.form(payloads.RECURRING_EXPOSED)))

    assert found.warnings == ()
    assert found.document() == {
        "code": "ONCRMDEALRECURRINGEXPOSE",
        "handler_id": "683",
        "at": 1741092489,
        "data": {"FIELDS": {"ID": "9", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"}},
        "fields": {"ID": "9", "RECURRING_DEAL_ID": "6791", "DEAL_ID": "6799"},
        "user_id": None,
        "portal": {**PORTAL, "status": "L"},
    }


FIXTURES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("outgoing webhook", {}, {"fields": {"ID": "365"}}),
    (
        "app without refresh token",
        {"auth": {**WEBHOOK_AUTH, "access_token": "abc", "expires_in": 3600, "scope": "crm task", "status": "S"}},
        {"portal": {**PORTAL, "status": "S", "scopes": ["crm", "task"]}},
    ),
    ("offline queue without data", {"event": "ONOFFLINEEVENT", "data": []}, {"data": {}, "fields": {}}),
    (
        "task that was nothing before",
        {"event": "ONTASKADD", "data": {"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": 12}}},
        {"fields": {"FIELDS_BEFORE": "undefined", "FIELDS_AFTER": {"ID": "12"}}},
    ),
    ("bare value for data", {"event": "ONIMCONNECTORLINEDELETE", "data": 7}, {"data": "7", "fields": {}}),
    (
        "item of a custom type",
        {"event": "ONCRMDYNAMICITEMADD_147", "data": {"FIELDS": {"ID": 3, "ENTITY_TYPE_ID": 147}}},
        {"code": "ONCRMDYNAMICITEMADD_147", "fields": {"ID": "3", "ENTITY_TYPE_ID": "147"}},
    ),
    ("dotted code", {"event": "CATALOG.PRICE.ON.ADD", "data": {"FIELDS": {"ID": 9}}}, {"code": "CATALOG.PRICE.ON.ADD"}),
    (
        "address by names",
        {
            "event": "ONCRMADDRESSREGISTER",
            "data": {
                "FIELDS": {
                    "TYPE_ID": "PRIMARY",
                    "ENTITY_TYPE_ID": "REQUISITE",
                    "ENTITY_ID": 17,
                    "ANCHOR_ID": 5,
                    "ANCHOR_TYPE_ID": "COMPANY",
                }
            },
        },
        {"code": "ONCRMADDRESSREGISTER"},
    ),
    (
        "address by numbers",
        {
            "event": "ONCRMADDRESSUNREGISTER",
            "data": {
                "FIELDS": {"TYPE_ID": 1, "ENTITY_TYPE_ID": 8, "ENTITY_ID": 17, "ANCHOR_ID": 5, "ANCHOR_TYPE_ID": 4}
            },
        },
        {"code": "ONCRMADDRESSUNREGISTER"},
    ),
    ("unknown code", {"event": "onSomethingNew", "data": {"X": "1"}}, {"code": "ONSOMETHINGNEW", "fields": {"X": "1"}}),
    ("no time", {"ts": None}, {"at": None}),
    ("nothing but the portal", {"data": None, "auth": {"member_id": MEMBER}, "event": "ONAPPPAYMENT"}, {"data": {}}),
]


@pytest.mark.parametrize(("fields", "seen"), [case[1:] for case in FIXTURES], ids=[case[0] for case in FIXTURES])
def test_takes_what_portals_send(fields: dict[str, Any], seen: dict[str, Any]) -> None:
    """
    Nothing of this is odd, and a hook sees it plainly.
    """
    found = event(**fields)

    document = found.document()
    assert found.warnings == ()
    assert {key: document[key] for key in seen} == seen


def test_an_event_that_is_odd_is_taken_with_warnings() -> None:
    """
    The portal sends it once: only what nothing can be done without is required. Secrets are not written out.
    """
    auth = {"member_id": MEMBER, "application_token": ["x"], "status": "Z", "expires_in": "soon"}

    found = event(event="onCrmLeadAdd", data={"FIELDS": {"ID": "seven"}}, auth=auth)

    assert found.claim.document() == {"member_id": MEMBER, "domain": "", "status": "", "scopes": []}
    assert found.claim.application_token == ""
    assert sorted(found.warnings) == [
        Violation("/auth/application_token", "is not as it should be; it is secret, so it is not shown"),
        Violation("/auth/client_endpoint", "missing; allowed: a string."),
        Violation("/auth/domain", "missing; allowed: a string."),
        Violation("/auth/expires_in", '"soon" is of a wrong form: digits only are allowed.'),
        Violation("/auth/server_endpoint", "missing; allowed: a string."),
        Violation("/auth/status", '"Z" is not one of: "L", "F", "D", "T", "P", "S".'),
        Violation("/data/FIELDS/ID", '"seven" is of a wrong form: digits only are allowed.'),
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "event: the code of an event, such as ONCRMLEADADD is expected: letters, digits, dots and _, 100 at most"),
        ({"event": {"x": "1"}}, "event: the code of an event"),
        ({"event": "../x"}, "event: the code of an event"),
        ({"event": "ONX"}, "auth: missing; the fields auth[member_id] and auth[application_token] are expected"),
        ({"event": "ONX", "auth": "x"}, "auth: missing"),
        ({"event": "ONX", "auth": {}}, "auth[member_id]: the portal's id is expected: up to 64 letters and digits"),
        ({"event": "ONX", "auth": {"member_id": ["x"]}}, "auth[member_id]: the portal's id is expected"),
        ({"event": "ONX", "auth": {"member_id": "a/b"}}, "auth[member_id]: the portal's id is expected"),
    ],
)
def test_refuses_what_is_no_event(fields: dict[str, Json], message: str) -> None:
    """
    Without a code or a portal there is nothing to do, and the sender learns what is missing.
    """
    with pytest.raises(EnvelopeError) as caught:
        read_event(fields)

    assert str(caught.value).startswith(message)


def test_the_same_event_has_the_same_key() -> None:
    """
    A second delivery is known by it, whatever its tokens and the order of its fields; another object or time is not.
    """
    first = event(event_handler_id=1, data={"FIELDS": {"ID": 1, "X": 2}})
    again = event(
        event="onCrmLeadAdd",
        event_handler_id=1,
        data={"FIELDS": {"X": 2, "ID": 1}},
        auth={**WEBHOOK_AUTH, "access_token": "new"},
    )
    others = [
        event(event_handler_id=2, data={"FIELDS": {"ID": 1, "X": 2}}),
        event(event_handler_id=1, data={"FIELDS": {"ID": 2, "X": 2}}),
        event(event_handler_id=1, data={"FIELDS": {"ID": 1, "X": 2}}, ts=1),
        event(event_handler_id=1, data={"FIELDS": {"ID": 1, "X": 2}}, event="ONCRMLEADUPDATE"),
        event(event_handler_id=1, data={"FIELDS": {"ID": 1, "X": 2}}, auth={**WEBHOOK_AUTH, "member_id": "other"}),
    ]

    assert first.key == again.key
    assert len({first.key, *(other.key for other in others)}) == 6


def test_an_event_without_a_time_is_like_no_other() -> None:
    """
    Nothing tells two changes of an object from one that is told twice: neither may be lost.
    """
    assert event(ts=None).key is None


@pytest.mark.parametrize("fields", payloads.DETAIL_ACTIVITIES, ids=lambda fields: fields["PLACEMENT"])
def test_takes_the_reference_s_placements(fields: dict[str, str]) -> None:
    """
    Half of the fields come in the query string, the object's id as JSON; a custom type's number is in the code.
    """
    found = placement(fields)

    assert found.warnings == ()
    options = documents.parse(fields["PLACEMENT_OPTIONS"].encode())
    assert found.document() == {
        "code": fields["PLACEMENT"],
        "options": options,
        "raw": options,
        "entity_type_id": 183 if "DYNAMIC" in fields["PLACEMENT"] else None,
        "uri": "",
        "language": "en",
        "user_id": None,
        "portal": {"member_id": fields["member_id"], "domain": "xxx.bitrix24.com", "status": "L", "scopes": []},
    }
    assert (found.session, found.is_https) == (fields["APP_SID"], True)
    assert (found.claim.access_token, found.claim.refresh_token) == (fields["AUTH_ID"], fields["REFRESH_ID"])
    assert found.claim.application_token == ""


def test_takes_the_reference_s_call_card() -> None:
    """
    The card of a call has one value for «there is none»; what the portal sent stands beside it.
    """
    found = placement(payloads.CALL_CARD)

    assert found.warnings == ()
    assert found.options == {
        "CALL_ID": "externalCall.c3ee67f1a63f6e6117c230ab59cc49ea.1723556778",
        "PHONE_NUMBER": "555555",
        "LINE_NUMBER": "",
        "LINE_NAME": "",
        "CRM_ENTITY_TYPE": None,
        "CRM_ENTITY_ID": None,
        "CRM_BINDINGS": [],
        "CRM_ACTIVITY_ID": None,
        "CALL_DIRECTION": "incoming",
        "CALL_STATE": "connected",
        "CALL_LIST_MODE": False,
    }
    assert found.raw == documents.parse(payloads.CALL_CARD["PLACEMENT_OPTIONS"].encode())


def test_takes_a_call_card_without_a_number() -> None:
    """
    Current portals leave out what they do not know, name all linked objects, and tell the page around.
    """
    options = (
        '{"CALL_ID":"c.1","CRM_ENTITY_TYPE":"CONTACT","CRM_ENTITY_ID":"17","CRM_ACTIVITY_ID":"901",'
        '"CRM_BINDINGS":[{"ENTITY_TYPE":"CONTACT","ENTITY_ID":"17"}],"CALL_DIRECTION":"outgoing",'
        '"CALL_LIST_MODE":"true","URI":"/crm/?sessid=0123456789abcdef&x=1"}'
    )

    found = placement({**payloads.CALL_CARD, "PLACEMENT_OPTIONS": options})

    assert found.options == {
        "CALL_ID": "c.1",
        "PHONE_NUMBER": "",
        "LINE_NUMBER": "",
        "LINE_NAME": "",
        "CRM_ENTITY_TYPE": "CONTACT",
        "CRM_ENTITY_ID": "17",
        "CRM_BINDINGS": [{"ENTITY_TYPE": "CONTACT", "ENTITY_ID": "17"}],
        "CRM_ACTIVITY_ID": "901",
        "CALL_DIRECTION": "outgoing",
        "CALL_STATE": "",
        "CALL_LIST_MODE": True,
    }
    assert found.uri == "/crm/?sessid=***&x=1"
    assert "0123456789abcdef" not in str(found)


@pytest.mark.parametrize(
    ("options", "raw", "messages"),
    [
        (None, {}, []),
        ("", {}, []),
        ("[]", {}, []),
        ("{}", {}, []),
        (
            '{"ID":',
            '{"ID":',
            ["/PLACEMENT_OPTIONS: is no JSON: line 1, column 7, at /ID: a JSON value is expected here" + EMPTY],
        ),
        ("[1]", [1], ["/PLACEMENT_OPTIONS: is no object" + EMPTY]),
        ('"x"', "x", ["/PLACEMENT_OPTIONS: is no object" + EMPTY]),
    ],
)
def test_options_that_are_none_count_as_empty(options: str | None, raw: Json, messages: list[str]) -> None:
    """
    A page opens all the same; what was odd about its options is a warning.
    """
    fields = {**payloads.DETAIL_ACTIVITIES[0], "PLACEMENT_OPTIONS": options, "status": "S"}

    found = placement({name: value for name, value in fields.items() if value is not None})

    assert (found.options, found.raw, found.claim.status) == ({}, raw, "S")
    assert [str(warning) for warning in found.warnings] == messages


def test_the_body_counts_where_the_query_says_otherwise() -> None:
    """
    As in PHP's $_REQUEST, so that nobody gets around the body by way of the address.
    """
    found = read_placement({"member_id": "a", "PLACEMENT": "LEFT_MENU"}, {"member_id": "b", "PLACEMENT": "CALL_CARD"})

    assert (found.code, found.claim.member_id) == ("CALL_CARD", "b")


def test_no_secret_is_in_a_repr() -> None:
    """
    Whoever logs an event or a placement by mistake logs no token.
    """
    shown = f"{read_event(payloads.REQUISITE_ADDED)!r} {placement(payloads.CALL_CARD)!r}"

    for fields in (payloads.REQUISITE_ADDED["auth"], payloads.CALL_CARD):
        assert not [name for name, value in fields.items() if name in SECRETS and value in shown]


def test_a_start_checks_no_schema_against_the_draft() -> None:
    """
    That takes twenty times as long as to load them, and is for tests and `hookd doctor`: no start waits for it.
    """
    code = (
        "import sys\nfrom hookd import contract\nfrom hookd.portal import envelopes\ncalled = set()\n"
        "sys.setprofile(lambda frame, event, argument: called.add(frame.f_code.co_name))\n"
        "contract.preload()\nenvelopes.preload()\nstarted = set(called)\ncontract.check_files()\nsys.setprofile(None)\n"
        "print(*sorted({'load', 'check_schema'} & started), 'check_schema' in called)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "load True\n"


@pytest.mark.parametrize("kind", ["events", "placements"])
def test_schemas_have_examples_that_are_read_without_warnings(kind: str) -> None:
    """
    Each schema says where it is from, and what its examples say is understood.
    """
    for file in sorted((contract.SCHEMAS / kind).glob("*.json")):
        schema = contract.load(f"{kind}/{file.stem}")

        Draft202012Validator.check_schema(dict(schema))
        assert (schema["title"], "Source: " in schema["description"]) == (f"{file.stem}: {kind}", True)
        assert len(schema["examples"]) >= 2
        for example in schema["examples"]:
            found = read_event(example) if kind == "events" else read_placement({}, example)
            assert (file.name, found.warnings) == (file.name, ())


@pytest.mark.parametrize("name", ["event", "placement"])
def test_every_key_that_a_hook_gets_is_documented(name: str) -> None:
    """
    docs/bitrix24.md has a row for each key of `event` and `placement`, in their order.
    """
    text = (ROOT / "docs" / "bitrix24.md").read_text("utf-8").partition(f"`{name}` is a plain dict")[2]
    table = text.partition("\n\n|")[2].partition("\n\n")[0]
    # What the work adds: which attempt it is, and what was written into a page's form.
    event_keys = ["id", "attempt", *event().document()]
    placement_keys = [*placement(payloads.CALL_CARD).document(), "form"]

    found = re.findall(r"^\|? ?`(\w+)` \|", table, flags=re.MULTILINE)
    assert found == (event_keys if name == "event" else placement_keys)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
AUTHS = st.dictionaries(st.sampled_from(sorted(payloads.REQUISITE_ADDED["auth"])), VALUES)
NAMES = ["event", "data", "ts", "event_handler_id", "PLACEMENT", "PLACEMENT_OPTIONS", "DOMAIN", "AUTH_ID", "LANG"]


@given(fields=st.dictionaries(st.sampled_from(NAMES), VALUES), auth=AUTHS)
def test_whatever_comes_is_read_or_refused(fields: dict[str, Json], auth: dict[str, Json]) -> None:
    """
    Every combination of fields is an event or placement that a hook can be given, or refused with a sentence.
    """
    good = {"event": "ONX", "PLACEMENT": "X", **fields, "member_id": MEMBER, "auth": {**auth, "member_id": MEMBER}}
    for read in (read_event, lambda fields: read_placement({}, fields)):
        try:
            found = read(good)
        except EnvelopeError:
            continue
        documents.dump(found.document())
        assert found.claim == dataclasses.replace(found.claim)
        if isinstance(found, Event):
            assert (found.key is None) == (found.at is None)
            assert isinstance(found.object_key, str)
