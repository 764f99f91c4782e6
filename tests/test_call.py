"""
`call` reads every request that a connector may send, and never raises.
"""

import ast
import copy
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.sandbox.pure import ToolError
from hookd.sandbox.pure.call import PUBLIC, Call, Conversation, CrmObject, number_of

Json = Any

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
DOCS = Path(__file__).parents[1] / "docs"

CLIENT = "+79001234567"
TRUNK = "+73432723033"
ZERO = "0001-01-01 00:00:00"

# What a view of an empty request says; each test names what differs from it.
UNKNOWN: dict[str, object] = {
    "stage": "",
    "direction": "",
    "client_number": "",
    "extension": "",
    "line": "",
    "trunk": "",
    "did": "",
    "is_ivr": False,
    "answered": False,
    "missed": False,
    "started_at": None,
    "duration_s": 0,
    "linkedid": "",
    "record": "",
    "user": CrmObject(),
    "entity": CrmObject(),
    "conversations": (),
}


def view(request: dict[str, Json], zone: ZoneInfo = MOSCOW) -> dict[str, object]:
    call = Call(request, zone)
    return {name: getattr(call, name) for name in sorted(Call.PUBLIC)}


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2024-05-01T{clock}+03:00").astimezone(MOSCOW)


def channel(id_: str, from_: Json, to: Json, **facts: Json) -> dict[str, Json]:
    """A channel as call_full has it, ringing at 10:00:00 from outside if *facts* do not say otherwise."""
    return {
        "id": id_,
        "is_primary": False,
        "name": "PJSIP/trunk-0000000b",
        "type": "incoming",
        "state": "ringing",
        "start_time": "2024-05-01 10:00:00",
        "answer_time": ZERO,
        "end_time": ZERO,
        "was_answered": False,
        "extra": {},
        "from": {"number": from_},
        "to": {"number": to},
        "trunk": {"number": TRUNK},
        **facts,
    }


def talked(start: str, answer: str, end: str) -> dict[str, Json]:
    day = "2024-05-01 "
    return {
        "state": "ended",
        "start_time": day + start,
        "answer_time": day + answer,
        "end_time": day + end,
        "was_answered": True,
    }


def unanswered(start: str, end: str) -> dict[str, Json]:
    return {"state": "ended", "start_time": "2024-05-01 " + start, "end_time": "2024-05-01 " + end}


def call_full(main: dict[str, Json], *conversations: dict[str, Json], **facts: Json) -> dict[str, Json]:
    return {
        "active_conversation_id": "",
        "channel": main,
        "conversations": {item["channel"]["id"]: item for item in conversations},
        "deal": None,
        "entity": None,
        "is_ivr": False,
        "record": "",
        "registration": None,
        "result": 0,
        **facts,
    }


def employee(id_: int, extension: str) -> dict[str, Json]:
    return {"id": id_, "name": f"Employee {id_}", "phones": [extension]}


def part(leg: dict[str, Json], user: Json = None, *, is_parked: bool = False) -> dict[str, Json]:
    return {"channel": leg, "is_parked": is_parked, "user": user}


def conversation(id_: str, extension: str, **facts: Any) -> Conversation:
    known: dict[str, Any] = {
        "id": id_,
        "extension": extension,
        "answered": False,
        "started_at": at("10:00:00"),
        "duration_s": 0,
        "is_parked": False,
        "state": "ended",
        "user": CrmObject(),
        "client_number": CLIENT,
    }
    return Conversation(**{**known, **facts})


def test_incoming_call_that_rings() -> None:
    """
    An incoming call has the client at `from`, the employee at `to`, and is neither answered nor missed yet.
    """
    request = {
        "phone": CLIENT,
        "call_stage": "conversation_requested",
        "call_full": call_full(
            channel("1.11", CLIENT, TRUNK, is_primary=True),
            part(channel("1.12", CLIENT, "101"), {**employee(5, "101"), "email": "five@example.ru"}),
            active_conversation_id="1.12",
            entity={"type": "contact", "id": "77", "name": "Anna", "responsible_id": 5, "raw": {}},
        ),
    }

    assert view(request) == {
        "stage": "conversation_requested",
        "direction": "incoming",
        "client_number": CLIENT,
        "extension": "101",
        "line": TRUNK,
        "trunk": TRUNK,
        "did": TRUNK,
        "is_ivr": False,
        "answered": False,
        "missed": False,
        "started_at": at("10:00:00"),
        "duration_s": 0,
        "linkedid": "1.11",
        "record": "",
        "user": CrmObject(5, "Employee 5"),
        "entity": CrmObject(77, "Anna", "contact", 5),
        "conversations": (conversation("1.12", "101", state="ringing", user=CrmObject(5, "Employee 5")),),
    }


def test_outgoing_call_that_was_answered() -> None:
    """
    An outgoing call has the employee at `from` and the client at `to`; the time talked is from answer to end.
    """
    times = talked("10:00:00", "10:00:07", "10:01:37")
    leg = channel("1.11", 101, "89001234567", type="outgoing", is_primary=True, **times)
    request = {
        "call_stage": "call_ended",
        "call_full": call_full(leg, part(leg, employee(5, "101")), record="https://pbx/1.11.mp3", result=200),
    }

    assert view(request) == UNKNOWN | {
        "stage": "call_ended",
        "direction": "outgoing",
        "client_number": "89001234567",
        "extension": "101",
        "line": TRUNK,
        "trunk": TRUNK,
        "answered": True,
        "started_at": at("10:00:00"),
        "duration_s": 90,
        "linkedid": "1.11",
        "record": "https://pbx/1.11.mp3",
        "user": CrmObject(5, "Employee 5"),
        "conversations": (
            conversation(
                "1.11",
                "101",
                answered=True,
                duration_s=90,
                user=CrmObject(5, "Employee 5"),
                client_number="89001234567",
            ),
        ),
    }


def test_transferred_call_is_the_last_employees() -> None:
    """
    After a transfer the employee who answered last has the call; talk time is from the first answer to the last end.
    """
    first = channel("1.12", CLIENT, "101", **talked("10:00:00", "10:00:05", "10:01:00"))
    second = channel("1.15", "101", "102", type="local", **talked("10:00:50", "10:01:05", "10:03:05"))
    request = {
        "call_full": call_full(
            channel("1.11", CLIENT, TRUNK, is_primary=True, **talked("10:00:00", "10:00:05", "10:03:05")),
            part(second, employee(6, "102")),
            part(first, employee(5, "101")),
        ),
    }

    assert view(request) == UNKNOWN | {
        "direction": "incoming",
        "client_number": CLIENT,
        "extension": "102",
        "line": TRUNK,
        "trunk": TRUNK,
        "did": TRUNK,
        "answered": True,
        "started_at": at("10:00:00"),
        "duration_s": 180,
        "linkedid": "1.11",
        "user": CrmObject(6, "Employee 6"),
        "conversations": (
            conversation("1.12", "101", answered=True, duration_s=55, user=CrmObject(5, "Employee 5")),
            conversation(
                "1.15",
                "102",
                answered=True,
                started_at=at("10:00:50"),
                duration_s=120,
                user=CrmObject(6, "Employee 6"),
            ),
        ),
    }


def test_missed_call() -> None:
    """
    A call is missed once it has ended and nobody answered; the last employee who rang is the call's.
    """
    request = {
        "STATUS_CODE": "304",
        "DURATION": 0,
        "CALL_ID": "externalCall.1",
        "USER_ID": 9,
        "call_full": call_full(
            channel("1.11", CLIENT, "101", is_primary=True, **unanswered("10:00:00", "10:00:40")),
            part(channel("1.12", CLIENT, "101", **unanswered("10:00:00", "10:00:40")), employee(5, "101")),
            result=304,
        ),
    }

    assert view(request) == UNKNOWN | {
        "direction": "incoming",
        "client_number": CLIENT,
        "extension": "101",
        "line": TRUNK,
        "trunk": TRUNK,
        "did": TRUNK,
        "missed": True,
        "started_at": at("10:00:00"),
        "linkedid": "1.11",
        "user": CrmObject(5, "Employee 5"),
        "conversations": (conversation("1.12", "101", user=CrmObject(5, "Employee 5")),),
    }


def test_call_that_ended_in_a_menu() -> None:
    """
    That a menu answered is no answer: the call is missed, nobody talked, and there is no employee.
    """
    main = channel("1.11", CLIENT, TRUNK, is_primary=True, **talked("10:00:00", "10:00:01", "10:00:31"))
    request = {"call_stage": "call_ended", "call_full": call_full(main, is_ivr=True, conversations=[])}

    assert view(request) == UNKNOWN | {
        "stage": "call_ended",
        "direction": "incoming",
        "client_number": CLIENT,
        "line": TRUNK,
        "trunk": TRUNK,
        "did": TRUNK,
        "is_ivr": True,
        "missed": True,
        "started_at": at("10:00:00"),
        "linkedid": "1.11",
    }


def test_queue_in_which_one_of_many_answered() -> None:
    """
    Of the employees whom a queue rang, the one who answered has the call; the others' ends make it no missed one.
    """
    request = {
        "call_stage": "call_ended",
        "STATUS_CODE": "304",
        "call_full": call_full(
            channel("1.11", CLIENT, TRUNK, is_primary=True, **talked("10:00:00", "10:00:01", "10:02:20")),
            part(channel("1.12", CLIENT, "101", **unanswered("10:00:02", "10:00:20")), employee(5, "101")),
            part(channel("1.13", CLIENT, "102", **talked("10:00:03", "10:00:20", "10:02:20")), employee(6, "102")),
            part(channel("1.14", CLIENT, "103", **unanswered("10:00:04", "10:00:20"))),
        ),
    }

    assert view(request) == UNKNOWN | {
        "stage": "call_ended",
        "direction": "incoming",
        "client_number": CLIENT,
        "extension": "102",
        "line": TRUNK,
        "trunk": TRUNK,
        "did": TRUNK,
        "answered": True,
        "started_at": at("10:00:00"),
        "duration_s": 120,
        "linkedid": "1.11",
        "user": CrmObject(6, "Employee 6"),
        "conversations": (
            conversation("1.12", "101", started_at=at("10:00:02"), user=CrmObject(5, "Employee 5")),
            conversation(
                "1.13",
                "102",
                answered=True,
                started_at=at("10:00:03"),
                duration_s=120,
                user=CrmObject(6, "Employee 6"),
            ),
            conversation("1.14", "103", started_at=at("10:00:04")),
        ),
    }


def test_queue_that_nobody_answered() -> None:
    """
    A queue answers the main channel itself; the call is missed all the same.
    """
    main = channel("1.11", CLIENT, TRUNK, **talked("10:00:00", "10:00:01", "10:00:40"))
    ringing = channel("1.12", CLIENT, "101", **unanswered("10:00:02", "10:00:40"))

    call = Call({"call_stage": "call_ended", "call_full": call_full(main, part(ringing))}, MOSCOW)

    assert (call.answered, call.missed, call.duration_s) == (False, True, 0)


def test_active_conversation_comes_first() -> None:
    """
    While a call goes on, the conversation that the connector names is the one that the call's fields speak of.
    """
    full = call_full(
        channel("1.11", CLIENT, TRUNK),
        part(channel("1.12", CLIENT, "101"), employee(5, "101")),
        part(channel("1.13", CLIENT, "102", start_time="2024-05-01 10:00:09"), employee(6, "102")),
        active_conversation_id="1.12",
    )

    call = Call({"call_full": full}, MOSCOW)

    assert (call.extension, call.user.id) == ("101", 5)


def test_a_transferring_employees_end_does_not_end_the_call() -> None:
    """
    The stage says whether the call is over, also where its main channel, the employee's, has ended.
    """
    main = channel("1.11", "101", CLIENT, type="outgoing", **unanswered("10:00:00", "10:00:40"))

    call = Call({"call_stage": "conversation_ended", "call_full": call_full(main)}, MOSCOW)

    assert not call.missed


@pytest.mark.parametrize(
    ("channel_name", "extension"),
    [
        ("Local/101@from-internal", "101"),
        ("Local/101@from-internal-00000003;1", "101"),
        ("PJSIP/101-0000001a", "101"),
        ("SIP/101", "101"),
        ("101", "101"),
        ("PJSIP/megafon-0000001a", ""),
    ],
)
def test_click_to_call(channel_name: str, extension: str) -> None:
    """
    A click-to-call is outgoing to `extension`; the employee is in the channel's name, line and user in request_data.
    """
    request = {
        "caller_id": CLIENT,
        "channel": channel_name,
        "context": "from-internal",
        "extension": CLIENT,
        "priority": "1",
        "request_data": {
            "USER_ID": "5",
            "LINE_NUMBER": "reg101",
            "CRM_ENTITY_TYPE": "LEAD",
            "CRM_ENTITY_ID": "31",
        },
    }

    assert view(request) == UNKNOWN | {
        "direction": "outgoing",
        "client_number": CLIENT,
        "extension": extension,
        "line": "reg101",
        "user": CrmObject(5),
        "entity": CrmObject(31, type="lead"),
    }


def test_autodistribution() -> None:
    """
    A call that is being distributed is incoming; its number is the employee's, its `from` the client's.
    """
    request = {
        "number": "101",
        "name": "Ivan",
        "from": 79001234567,
        "user": {"id": 5, "phones": ["102"], "name": "Ivan Petrov", "email": "", "position": ""},
        "entity": {"type": "LEAD", "id": 31, "name": "Lead 31", "responsible_id": 5},
        "error": "",
    }

    assert view(request) == UNKNOWN | {
        "direction": "incoming",
        "client_number": "79001234567",
        "extension": "101",
        "user": CrmObject(5, "Ivan Petrov"),
        "entity": CrmObject(31, "Lead 31", "lead", 5),
    }


def test_autodistribution_to_nobody() -> None:
    """
    PHP's empty arrays, nulls and an empty number leave what they stand for unknown.
    """
    request: dict[str, Json] = {
        "number": "",
        "name": "",
        "from": CLIENT,
        "user": [],
        "entity": None,
        "error": "not found",
    }

    assert view(request) == UNKNOWN | {"direction": "incoming", "client_number": CLIENT}


def test_call_of_an_older_connector() -> None:
    """
    Without call_full the older `call` and `conversation` are read.
    """
    request = {
        "call": {"id": "1.11", "type": 2, "from": 79001234567, "to": TRUNK, "record": "https://pbx/1.mp3"},
        "conversation": {"id": "1.12", "type": 2, "from": 79001234567, "to": 101, "was_answered": 1},
        "call_full": None,
        "CALL_ID": "externalCall.1",
        "DURATION": "35",
        "STATUS_CODE": "200",
        "USER_ID": "5",
    }

    assert view(request) == UNKNOWN | {
        "direction": "incoming",
        "client_number": "79001234567",
        "extension": "101",
        "line": TRUNK,
        "did": TRUNK,
        "answered": True,
        "duration_s": 35,
        "linkedid": "1.11",
        "record": "https://pbx/1.mp3",
        "user": CrmObject(5),
        "conversations": (
            conversation("1.12", "101", answered=True, started_at=None, state="", client_number="79001234567"),
        ),
    }


@pytest.mark.parametrize("full", [None, [], {}, "", 0, "call", [1], {"channel": None, "conversations": None}])
def test_registration_without_a_usable_call_full(full: Json) -> None:
    """
    What the request's own keys say is used where call_full is missing or odd.
    """
    request = {
        "CALL_START_DATE": "2024-05-01T09:00:00+02:00",
        "LINE_NUMBER": 73432723033,
        "PHONE_NUMBER": 79001234567,
        "TYPE": "2",
        "USER_ID": 5,
        "call_stage": "conversation_requested",
        "call_full": full,
    }

    assert view(request) == UNKNOWN | {
        "stage": "conversation_requested",
        "direction": "incoming",
        "client_number": "79001234567",
        "line": "73432723033",
        "started_at": at("10:00:00"),
        "user": CrmObject(5),
    }


@pytest.mark.parametrize(
    ("request_", "known"),
    [
        ({}, {}),
        ({"phone": CLIENT}, {"client_number": CLIENT}),
        ({"phone": 101}, {"extension": "101"}),
        ({"path": "/rec/1.wav"}, {"record": "/rec/1.wav"}),
        ({"file": "/rec/1.wav", "from": "101", "to": CLIENT}, {}),
        ({"CALL_ID": 1, "USER_ID": [7, 8]}, {"user": CrmObject(7)}),
        ({"activity": {"id": "3"}}, {}),
        ({"fields": {"TITLE": "Missed call"}}, {"missed": True}),
        ({"CALL_ID": "1", "STATUS_CODE": "603-S"}, {"missed": True}),
        ({"CALL_ID": "1", "STATUS_CODE": "OTHER"}, {}),
        ({"CALL_ID": "1", "DURATION": 12}, {"answered": True, "duration_s": 12}),
        ({"call_stage": "conversation_accepted"}, {"stage": "conversation_accepted", "answered": True}),
    ],
)
def test_minimal_requests(request_: dict[str, Json], known: dict[str, object]) -> None:
    """
    A point's own keys tell what they tell, and nothing is made up.
    """
    sides = {"record": "/rec/1.wav", "client_number": CLIENT, "extension": "101"} if "file" in request_ else {}

    assert view(request_) == UNKNOWN | known | sides


@pytest.mark.parametrize(
    ("type_", "direction"),
    [
        ("incoming", "incoming"),
        ("OUTGOING", "outgoing"),
        ("local", "local"),
        ("unknown", ""),
        (1, "outgoing"),
        (2, "incoming"),
        ("3", "incoming"),
        (4, "outgoing"),
        (5.0, "outgoing"),
        (True, ""),
        (9, ""),
        (None, ""),
        ({}, ""),
    ],
)
def test_direction_is_a_word(type_: Json, direction: str) -> None:
    """
    channel.type, the older conversation.type and TYPE give one of three words, or "".
    """
    full = {"call_full": {"channel": {"type": type_}}}

    found = [Call(request, MOSCOW).direction for request in (full, {"conversation": {"type": type_}}, {"TYPE": type_})]

    assert found == [direction] * 3


def test_local_call() -> None:
    """
    A call between employees has no client; the extension is the one that rings.
    """
    leg = channel("1.11", "101", "102", type="local", trunk=None)

    call = Call({"call_full": call_full(leg, part(leg))}, MOSCOW)

    assert (call.direction, call.client_number, call.extension, call.did) == ("local", "", "102", "")


def test_a_transferred_conversation_has_the_calls_client() -> None:
    """
    Where the colleague who transferred stands at the client's end, the client is still the call's.
    """
    full = call_full(channel("1.11", CLIENT, TRUNK), part(channel("1.12", "101", "102")))

    assert [item.client_number for item in Call({"call_full": full}, MOSCOW).conversations] == [CLIENT]


def test_unknown_direction_does_not_hide_the_client() -> None:
    """
    Where the direction is unknown, the longer number is the client's and the short one the employee's.
    """
    leg = channel("1.11", "101", CLIENT, type="unknown")

    call = Call({"call_full": call_full(leg, part(leg))}, MOSCOW)

    assert (call.direction, call.client_number, call.extension) == ("", CLIENT, "101")


def test_extension_is_a_phone_of_the_user_where_the_channel_has_none() -> None:
    """
    An employee's end that is empty is filled from the user's phones.
    """
    leg = channel("1.12", CLIENT, "")

    call = Call({"call_full": call_full(leg, part(leg, {"id": 5, "phones": ["", 105]}))}, MOSCOW)

    assert call.extension == "105"


def test_an_employee_on_a_mobile_is_not_the_dialled_number() -> None:
    """
    The number that rang an employee is no DID, however long it is.
    """
    mobile = "+79120000000"
    full = call_full(channel("1.11", CLIENT, mobile), part(channel("1.12", CLIENT, mobile)))

    call = Call({"call_full": full}, MOSCOW)

    assert (call.extension, call.did) == (mobile, TRUNK)


def test_a_trunk_may_have_a_name() -> None:
    """
    A trunk's name is the trunk and the line, and no dialled number; nor is Asterisk's «s».
    """
    full = call_full(channel("1.11", CLIENT, "s", trunk={"number": "", "name": "megafon"}))

    call = Call({"call_full": full}, MOSCOW)

    assert (call.trunk, call.line, call.did, call.extension) == ("megafon", "megafon", "", "")


@pytest.mark.parametrize("key", ["LINE_NUMBER", "line_number"])
def test_line_of_the_registration(key: str) -> None:
    """
    Where the request has no LINE_NUMBER, that of the registration is the line.
    """
    full = call_full(channel("1.11", CLIENT, TRUNK), registration={key: "reg101"})

    assert Call({"call_full": full}, MOSCOW).line == "reg101"


def test_linkedid_without_a_main_channel() -> None:
    """
    The conversation whose channel is the primary one has the call's linkedid.
    """
    full = call_full({}, part(channel("1.12", "", "")), part(channel("1.11", "", "", is_primary=True)))

    assert Call({"call_full": full}, MOSCOW).linkedid == "1.11"


def test_conversations_as_a_list() -> None:
    """
    Conversations may come as a list and in any order; they are in the order of their start, unknown starts last.
    """
    full: dict[str, Json] = {
        "conversations": [
            part(channel("1.14", CLIENT, "103", start_time=ZERO)),
            part(channel("1.13", CLIENT, "102", start_time="2024-05-01T10:00:09+03:00")),
            None,
            part(channel("1.12", CLIENT, "101")),
            [],
        ]
    }

    call = Call({"call_full": full}, MOSCOW)

    assert [item.extension for item in call.conversations] == ["101", "102", "103"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01 10:00:00", at("10:00:00")),
        ("2024-05-01T10:00:00", at("10:00:00")),
        ("2024-05-01T07:00:00Z", at("10:00:00")),
        ("2024-05-01 12:00:00+05:00", at("10:00:00")),
        ("2024-05-01T10:00:00.5", at("10:00:00") + timedelta(seconds=0.5)),
        (ZERO, None),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T02:30:17+02:30", None),
        ("0000-00-00 00:00:00", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("soon", None),
        ("", None),
        (20240501, None),
        (None, None),
    ],
)
def test_times(text: Json, expected: datetime | None) -> None:
    """
    Times are in the site's zone, whatever zone they came with; zero dates and what is no time are None.
    """
    started_at = Call({"call_full": {"channel": {"start_time": text}}}, MOSCOW).started_at

    assert started_at == expected
    assert started_at is None or started_at.tzinfo is MOSCOW


@pytest.mark.parametrize(
    ("answered_at", "ended_at", "duration_s"),
    [
        ("2024-03-31 01:50:00", "2024-03-31 03:10:00", 20 * 60),
        ("2024-10-27 02:50:00", "2024-10-27 02:10:00", 20 * 60),
        ("2024-10-27 02:50:00", "2024-10-27 03:10:00", 80 * 60),
        ("2024-05-01 10:00:10", "2024-05-01 10:00:00", 0),
        ("2024-05-01 10:00:10", ZERO, 0),
    ],
)
def test_talk_time_while_the_clocks_change(answered_at: str, ended_at: str, duration_s: int) -> None:
    """
    Talk time is time that passed, also in the night in which the clocks change; it is never negative.
    """
    main = {"answer_time": answered_at, "end_time": ended_at, "was_answered": True}

    assert Call({"call_full": {"channel": main}}, BERLIN).duration_s == duration_s


def test_duration_of_the_request_wins() -> None:
    """
    Where the connector says how long the call was, nothing is computed.
    """
    leg = channel("1.11", CLIENT, "101", **talked("10:00:00", "10:00:05", "10:01:00"))

    assert Call({"DURATION": 54, "call_full": call_full(leg, part(leg))}, MOSCOW).duration_s == 54


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (" +7900 ", "+7900"),
        (7900, "7900"),
        (7900.0, "7900"),
        ({"number": "", "phone": None, "value": 5}, "5"),
        ({"original": "101", "id": "7"}, "101"),
        ({"id": 7}, "7"),
        ({"number": {"number": "1"}}, ""),
        (["101", "102"], "101"),
        ([{"number": "101"}], "101"),
        ([], ""),
        ({}, ""),
        (None, ""),
        (True, ""),
        (1.5, ""),
        (float("inf"), ""),
        pytest.param(10**5000, "", id="an integer that Python does not print"),
    ],
)
def test_number_of(value: Json, number: str) -> None:
    """
    A number is found in text, integers and the objects around numbers, and is text.
    """
    assert number_of(value) == number


@pytest.mark.parametrize(
    ("value", "crm_object"),
    [
        (None, CrmObject()),
        ([], CrmObject()),
        ({}, CrmObject()),
        (7, CrmObject(7)),
        ("7", CrmObject(7)),
        ({"id": 0, "name": ""}, CrmObject()),
        ({"id": "u-7", "name": " Ivan "}, CrmObject("u-7", "Ivan")),
        ({"id": "²"}, CrmObject("²")),
        ([{"id": 7, "type": "Lead"}], CrmObject(7, type="lead")),
        ({"id": 7, "responsible": {"id": "9"}}, CrmObject(7, responsible_id=9)),
        ({"id": "9" * 30}, CrmObject("9" * 30)),
    ],
)
def test_user_and_entity_are_never_null(value: Json, crm_object: CrmObject) -> None:
    """
    Whatever stands for a user or an entity, the hook gets an object with all fields.
    """
    call = Call({"call_full": {"entity": value}, "user": value}, MOSCOW)

    assert (call.user, call.entity) == (crm_object, crm_object)


def test_the_view_changes_nothing() -> None:
    """
    Reading leaves the request as it is, and no field of a view can be set.
    """
    request = {"call_full": call_full(channel("1.11", CLIENT, TRUNK), part(channel("1.12", CLIENT, "101")))}
    before = copy.deepcopy(request)

    view(request)

    assert request == before
    call = Call(request, MOSCOW)
    with pytest.raises(ToolError, match=r"call\.trunk cannot be set: call is a view"):
        call.trunk = ""
    with pytest.raises(AttributeError):
        call.conversations[0].id = ""  # type: ignore[misc]


def test_print_shows_what_call_it_is() -> None:
    """
    print(call) tells direction, client and employee.
    """
    request = {"TYPE": 1, "PHONE_NUMBER": CLIENT}

    assert repr(Call(request, MOSCOW)) == f"Call(outgoing, '{CLIENT}', '')"


# Any JSON anywhere.

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([ZERO, "200", "²"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
_TIMES = st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str)
_WHOLE: dict[str, Json] = {
    "call_stage": "call_ended",
    "call_full": call_full(
        channel("1.11", CLIENT, TRUNK, is_primary=True, **talked("10:00:00", "10:00:05", "10:03:05")),
        part(channel("1.12", CLIENT, "101", **talked("10:00:00", "10:00:05", "10:01:00")), employee(5, "101")),
        part(channel("1.13", CLIENT, "102", **unanswered("10:00:00", "10:01:00")), employee(6, "102")),
        entity={"id": 1, "name": "A", "type": "lead", "responsible_id": 2, "responsible": {"id": 2}},
        registration={"LINE_NUMBER": "1"},
    ),
    "call": {"id": "1.11", "type": 2, "from": CLIENT, "to": TRUNK, "linkedid": "1.11"},
    "conversation": {"id": "1.12", "type": 2, "from": CLIENT, "to": "101", "user": {"id": 5, "phones": {"0": "1"}}},
    "request_data": {"USER_ID": 5, "LINE_NUMBER": "1", "CRM_ENTITY_ID": 1, "CRM_ENTITY_TYPE": "LEAD"},
    "user": {"id": 5, "phones": ["101"], "name": "Ivan"},
    "entity": {"id": 1, "name": "A", "type": "lead", "responsible": {"id": 2}},
    **dict.fromkeys(("TYPE", "PHONE_NUMBER", "DURATION", "STATUS_CODE", "USER_ID", "LINE_NUMBER"), "1"),
    **dict.fromkeys(("CALL_START_DATE", "from", "to", "number", "name", "error", "extension", "phone"), "1"),
    **dict.fromkeys(("channel", "context", "caller_id", "path", "record", "fields", "activity"), "1"),
}


def _paths(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from _paths(item, (*path, key))


_MISSING = object()
_PATHS = list(_paths(_WHOLE))


@given(st.lists(st.tuples(st.sampled_from(_PATHS), _JSON | _TIMES | st.just(_MISSING)), min_size=1, max_size=12))
def test_never_raises(changes: list[tuple[tuple[str, ...], Json]]) -> None:
    """
    Any JSON value in any place of a request leaves every field readable, and of its type.
    """
    request = copy.deepcopy(_WHOLE)
    for path, value in changes:
        _put(request, path, value)

    found = view(request)

    assert [name for name, value in found.items() if not _is_of_type(value, UNKNOWN[name])] == []
    assert isinstance(repr(Call(request, MOSCOW)), str)


@given(st.dictionaries(st.sampled_from(sorted(_WHOLE)), _JSON))
def test_never_raises_on_the_requests_own_keys(request: dict[str, Json]) -> None:
    """
    Any JSON value under any key that a point has leaves every field readable, and of its type.
    """
    found = view(request)

    assert [name for name, value in found.items() if not _is_of_type(value, UNKNOWN[name])] == []


def _put(document: Json, path: tuple[str, ...], value: Json) -> None:
    *parents, last = path
    for key in parents:
        document = document.get(key)
        if not isinstance(document, dict):
            return
    if value is _MISSING:
        document.pop(last, None)
    else:
        document[last] = value


def _is_of_type(value: object, unknown: object) -> bool:
    if unknown is None:
        return value is None or (isinstance(value, datetime) and value.tzinfo is MOSCOW)
    if isinstance(value, CrmObject):
        names = isinstance(value.name, str) and isinstance(value.type, str)
        return names and all(type(id_) in (int, str, type(None)) for id_ in (value.id, value.responsible_id))
    if isinstance(value, Conversation):
        example = conversation("", "", started_at=None)
        return all(_is_of_type(getattr(value, name), getattr(example, name)) for name in Conversation.PUBLIC)
    if isinstance(value, tuple):
        return all(isinstance(item, Conversation) and _is_of_type(item, item) for item in value)
    return type(value) is type(unknown) and (not isinstance(value, int) or value >= 0)


# The documentation.


@pytest.mark.parametrize(("heading", "type_"), [("call", Call), ("Conversation", Conversation), ("Crm", CrmObject)])
def test_documented_fields_are_those_there_are(heading: str, type_: type) -> None:
    """
    docs/call.md has a row for every field that a hook may read, and no other.
    """
    public = PUBLIC[type_]

    assert set(_table(heading)) == public
    assert {name for name in dir(type_) if not name.startswith("_")} == public | {"PUBLIC"}


def test_documented_values_when_unknown_are_those_there_are() -> None:
    """
    What docs/call.md says of an unknown value is what the view of an empty request gives.
    """
    documented = {name: ast.literal_eval(cell) for name, cell in _table("call").items() if cell}

    assert documented == {name: value for name, value in UNKNOWN.items() if not isinstance(value, CrmObject)}
    assert view({}) == UNKNOWN


def _table(heading: str) -> dict[str, str]:
    """Field → what stands in backticks in the last column, or ""."""
    text = (DOCS / "call.md").read_text("utf-8")
    section = next(part for part in re.split(r"^#+ ", text, flags=re.MULTILINE) if part.lstrip("`").startswith(heading))
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", section, flags=re.MULTILINE)
    return {name: cell.strip("`") if cell.startswith("`") else "" for name, cell in rows}


@pytest.mark.parametrize("number", ["101", "+79001234567", "84951234567", "0"])
def test_the_point_settles_whose_number_phone_is(number: str) -> None:
    """
    Without call_full, `phone` is the client's at process_client_phone and the employee's at process_user_phone,
    however long it is.
    """
    client = Call({"phone": number}, MOSCOW, "process_client_phone")
    user = Call({"phone": number}, MOSCOW, "process_user_phone")

    assert (client.client_number, client.extension) == (number, "")
    assert (user.client_number, user.extension) == ("", number)
