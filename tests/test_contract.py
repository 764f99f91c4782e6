"""
Requests as connectors send them and replies as they read them, point by point; and laws that hold for any JSON.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hookd import contract
from hookd.contract.findings import PATTERNS
from hookd.contract.schema import load
from hookd.documents import Json
from hookd.errors import ContractError, ReplyError, Violation
from hookd.points import POINTS, RECORD_KEYS, Shape, Unchanged

CALL_ID = "externalCall.1f.1773239326"
CALL = {
    "active_conversation_id": "",
    "channel": {"id": "1.1", "type": "incoming", "from": {"number": "79001234567"}, "extra": {"hangup_cause": 16}},
    "conversations": {"1.2": {"channel": {"id": "1.2"}, "is_parked": False, "user": {"id": 5, "name": "Anna"}}},
    "deal": None,
    "entity": {"type": "lead", "id": 365},
    "is_ivr": False,
    "result": 200,
}
ACTIVITY = {"id": "9", "raw": {"ID": "9", "SUBJECT": "Call"}, "responsible": {"id": 5}, "type": "activity"}
FINAL = {"ADD_TO_CHAT": 1, "CALL_ID": CALL_ID, "DURATION": 73, "STATUS_CODE": "200", "USER_ID": 5}
REGISTRATION = {
    "CALL_START_DATE": "2026-03-11T17:28:46+03:00",
    "CRM_CREATE": 1,
    "CRM_SOURCE": "CALL",
    "LINE_NUMBER": "73432723033",
    "PHONE_NUMBER": "79001234567",
    "SHOW": 0,
    "TYPE": 2,
    "USER_ID": 5,
}
ORIGINATE = {
    "caller_id": "101",
    "channel": "PJSIP/101",
    "context": "from-internal",
    "extension": "+79001234567",
    "priority": "1",
    "request_data": {"USER_ID": "5"},
}
TASK = {"CREATED_BY": 1, "DEADLINE": "2026-03-12", "RESPONSIBLE_ID": "5", "TITLE": "Call back", "UF_CRM_TASK": ["L_1"]}


@dataclass(frozen=True)
class Case:
    """
    One point at work.

    Attributes:
        request: As the connector sends it.
        kept: Data of the unchanged reply.
        change: What a hook returns that changes something.
        changed: Data of the reply then.
        typo: A change with a misspelt key.
        told: What is said of it, as "path: message"; a warning where `is_open`.
        wrong: A change with a value that may not be.
        refused: What is said of that.
    """

    request: dict[str, Json]
    kept: Json
    change: dict[str, Json]
    changed: Json
    typo: dict[str, Json]
    told: str
    wrong: dict[str, Json]
    refused: str


KEYS_FINAL = "Keys: ADD_TO_CHAT, CALL_ID, DURATION, STATUS_CODE, USER_ID."
KEYS_REGISTRATION = "Keys: CALL_START_DATE, CRM_CREATE, CRM_SOURCE, LINE_NUMBER, PHONE_NUMBER, SHOW, TYPE, USER_ID."
KEYS_ORIGINATE = "Keys: caller_id, channel, context, extension, priority, request_data."
LEAVE_OUT = "Write what is allowed, or leave the key out."
IGNORES = "The CRM ignores what it does not know."
ONE_LINE = "no line break and no NUL are allowed, since it goes into a line protocol"

CASES = {
    "customize_activity": Case(
        request={"activity": ACTIVITY, "call_full": CALL},
        kept={},
        change={"SUBJECT": "Order 1042", "PRIORITY": 3},
        changed={"SUBJECT": "Order 1042", "PRIORITY": 3},
        typo={"SUBJEKT": "x"},
        told=f"/SUBJEKT: the CRM's reference has no such field of an activity; did you mean SUBJECT? {IGNORES}",
        wrong={"activity": {"raw": {"SUBJECT": "x"}}},
        refused="/activity: activity is a key of the request and not a field of the CRM."
        " Return the fields themselves, by their names.",
    ),
    "customize_entity": Case(
        request={"call_full": CALL},
        kept={},
        change={"UF_CRM_1700000001": None, "PARENT_ID_128": 4, "COMMENTS": "x"},
        changed={"UF_CRM_1700000001": None, "PARENT_ID_128": 4, "COMMENTS": "x"},
        typo={"COMMENT": "x"},
        told=f"/COMMENT: the CRM's reference has no such field of a lead; did you mean COMMENTS? {IGNORES}",
        wrong={"comments": "x"},
        refused="/comments: names of CRM fields have capital letters, digits and _ only, 100 at most;"
        " did you mean COMMENTS?",
    ),
    "need_registration": Case(
        request={"call_full": CALL, "call_stage": "call_ended"},
        kept={"result": True},
        change={"result": False},
        changed={"result": False},
        typo={"resullt": False},
        told="/resullt: this point has no such key; did you mean result? Keys: result.",
        wrong={"result": 0},
        refused="/result: 0 is an integer; allowed: a boolean. Write False.",
    ),
    "process_client_phone": Case(
        request={"phone": "79001234567", "call_full": CALL, "call_stage": "call_ended"},
        kept={"phone": "79001234567"},
        change={"phone": "+79001234567"},
        changed={"phone": "+79001234567"},
        typo={"Phone": "x"},
        told="/Phone: this point has no such key; did you mean phone? Keys: phone.",
        wrong={"phone": 79001234567},
        refused='/phone: 79001234567 is an integer; allowed: a string. Write "79001234567".',
    ),
    "process_final_params": Case(
        request={**FINAL, "call_full": CALL, "conversation": []},
        kept=FINAL,
        change={"USER_ID": 17},
        changed={**FINAL, "USER_ID": 17},
        typo={"USERID": 17},
        told=f"/USERID: this point has no such key; did you mean USER_ID? {KEYS_FINAL}",
        wrong={"STATUS_CODE": "603-s"},
        refused='/STATUS_CODE: "603-s" is not one of: "200", "304", "603", "603-S", "403", "404", "486", "484", "503",'
        ' "480", "402", "423", "OTHER". Write "603-S".',
    ),
    "process_originate_params": Case(
        request={"params": ORIGINATE},
        kept=ORIGINATE,
        change={"extension": "989001234567"},
        changed={**ORIGINATE, "extension": "989001234567"},
        typo={"exten": "1"},
        told=f"/exten: this point has no such key; did you mean extension? {KEYS_ORIGINATE}",
        wrong={"extension": ""},
        refused=f'/extension: "" is empty; at least one character is needed. {LEAVE_OUT}',
    ),
    "process_record_file_path": Case(
        request={"file_path": "/rec/1.wav", "from": 79001234567},
        kept={"file_path": "/rec/1.wav"},
        change={"path": "/rec/1.mp3"},
        changed={"file_path": "/rec/1.mp3"},
        typo={"pth": "/rec/1.mp3"},
        told="/pth: this point has no such key; did you mean path? Keys: path.",
        wrong={"path": ""},
        refused=f'/path: "" is empty; at least one character is needed. {LEAVE_OUT}',
    ),
    "process_registration_params": Case(
        request={**REGISTRATION, "call_full": CALL, "call_stage": "call_ended"},
        kept=REGISTRATION,
        change={"CRM_SOURCE": "ADVERTISING", "CRM_CREATE": 0},
        changed={**REGISTRATION, "CRM_SOURCE": "ADVERTISING", "CRM_CREATE": 0},
        typo={"CRM_SOURSE": "x"},
        told=f"/CRM_SOURSE: this point has no such key; did you mean CRM_SOURCE? {KEYS_REGISTRATION}",
        wrong={"CRM_CREATE": True},
        refused="/CRM_CREATE: true is not one of: 0, 1. Write 1.",
    ),
    "process_task_creation_params": Case(
        request={"fields": TASK, "call_full": CALL},
        kept={"fields": TASK},
        change={"fields": {"RESPONSIBLE_ID": 17, "GROUP_ID": 3}},
        changed={"fields": {**TASK, "RESPONSIBLE_ID": 17, "GROUP_ID": 3}},
        typo={"TITLE": "x"},
        told='/TITLE: the fields of the task go one level deeper: return {"fields": {"TITLE": …}}.',
        wrong={"fields": {"UF_CRM_TASK": ["L_1", 5]}},
        refused='/fields/UF_CRM_TASK/1: 5 is an integer; allowed: a string. Write "5".',
    ),
    "process_user_phone": Case(
        request={"phone": "101", "call_stage": "conversation_requested"},
        kept={"phone": "101"},
        change={"phone": "2101"},
        changed={"phone": "2101"},
        typo={"phones": "x"},
        told="/phones: this point has no such key; did you mean phone? Keys: phone.",
        wrong={"phone": None},
        refused=f"/phone: null is not allowed here; allowed: a string. {LEAVE_OUT}",
    ),
    "customize_autodistribution": Case(
        request={"number": "101", "name": "Ivan", "from": "79001234567", "user": None, "entity": [], "error": ""},
        kept={"number": "101", "name": "Ivan"},
        change={"number": "102"},
        changed={"number": "102", "name": "Ivan"},
        typo={"nubmer": "102"},
        told="/nubmer: this point has no such key; did you mean number? Keys: name, number.",
        wrong={"number": 102},
        refused='/number: 102 is an integer; allowed: a string. Write "102".',
    ),
    "customize_show_call_card": Case(
        request={"CALL_ID": CALL_ID, "USER_ID": 5, "call_stage": "conversation_accepted"},
        kept={"CALL_ID": CALL_ID, "USER_ID": 5},
        change={"USER_ID": [5, "17"]},
        changed={"CALL_ID": CALL_ID, "USER_ID": [5, "17"]},
        typo={"USERS": 5},
        told="/USERS: this point has no such key; did you mean USER_ID? Keys: CALL_ID, USER_ID.",
        wrong={"USER_ID": []},
        refused=f"/USER_ID: [] is an empty list; at least one item is needed. {LEAVE_OUT}",
    ),
    "customize_attach_record_url": Case(
        request={"DESCRIPTION": "<audio>", "DESCRIPTION_TYPE": 3, "activity": ACTIVITY, "call_full": CALL},
        kept={"DESCRIPTION": "<audio>", "DESCRIPTION_TYPE": 3},
        change={"DESCRIPTION": "link", "SUBJECT": "Recorded"},
        changed={"DESCRIPTION": "link", "DESCRIPTION_TYPE": 3, "SUBJECT": "Recorded"},
        typo={"DESCRIPTIONS": "x"},
        told="/DESCRIPTIONS: the CRM's reference has no such field of an activity; did you mean DESCRIPTION?"
        f" {IGNORES}",
        wrong={"DESCRIPTION_TYPE": 4},
        refused=f"/DESCRIPTION_TYPE: 4 is not one of: 1, 2, 3. {LEAVE_OUT}",
    ),
}
CHANGEABLE = [name for name in POINTS if name != "post_registration"]

laws = settings(max_examples=40, deadline=None)  # each runs for every point
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema file *name* as it is."""
    found: dict[str, Any] = json.loads((contract.SCHEMAS / f"{name}.json").read_text("utf-8"))
    return found


def documents(point: str, side: contract.Side) -> st.SearchStrategy[dict[str, Json]]:
    """Return documents with any JSON under the keys that *point* documents, and under some others."""
    known = sorted(schema_of(f"{point}.{side}").get("properties", {}))
    good = [value for example in schema_of(f"{point}.{side}")["examples"] for value in (example or {}).values()]
    likely = st.sampled_from(["", "1", 1, 1.0, True, 0, [], {}, None, "yes", -1, 0.5, *good])
    names = st.sampled_from(known) if known else st.nothing()
    return st.dictionaries(names | st.text(), likely | json_values, max_size=8)


def requests(point: str) -> st.SearchStrategy[dict[str, Json]]:
    """Return valid requests of *point* with any JSON under the keys that may hold it."""
    kept = {*POINTS[point].required, *RECORD_KEYS, "params"}

    def odd(example: dict[str, Json], other: dict[str, Json], left_out: set[str]) -> dict[str, Json]:
        allowed = {key: value for key, value in other.items() if key not in kept}
        return {key: value for key, value in (example | allowed).items() if key in kept or key not in left_out}

    examples = schema_of(f"{point}.request")["examples"]
    names = sorted(schema_of(f"{point}.request")["properties"])
    return st.builds(odd, st.sampled_from(examples), documents(point, "request"), st.sets(st.sampled_from(names)))


def read(name: str, body: Json) -> contract.Request:
    return contract.read_request(POINTS[name], body)


def changed(name: str, body: Json, change: Json, *, is_cancel: bool = False) -> contract.Reply:
    return contract.read_change(read(name, body), change, is_cancel=is_cancel)


def try_read(name: str, body: Json) -> contract.Request | tuple[Violation, ...]:
    """Return the request, or why it is none."""
    try:
        return read(name, body)
    except ContractError as error:
        return error.violations


def try_change(request: contract.Request, change: Json, *, is_cancel: bool) -> contract.Reply | tuple[Violation, ...]:
    """Return the reply, or why there is none."""
    try:
        return contract.read_change(request, change, is_cancel=is_cancel)
    except ReplyError as error:
        return error.violations


def refusal(name: str, body: Json, change: Json, *, is_cancel: bool = False) -> list[str]:
    with pytest.raises(ReplyError) as caught:
        changed(name, body, change, is_cancel=is_cancel)
    return [str(violation) for violation in caught.value.violations]


def as_returned(document: Json) -> Json:
    """Return *document* as it comes back from a hook: by way of JSON, in another process."""
    return json.loads(json.dumps(document))


# ---- schemas ---------------------------------------------------------------------------------------------------


def test_has_two_schemas_a_point_and_the_fields() -> None:
    """
    Every point has a schema for each side, and there is nothing else but the fields of the CRM.
    """
    expected = {f"{name}.{side}.json" for name in POINTS for side in ("request", "reply")} | {"crm_fields.json"}

    assert {file.name for file in contract.SCHEMAS.glob("*.json")} == expected


@pytest.mark.parametrize("file", sorted(contract.SCHEMAS.glob("*.json")), ids=lambda file: file.stem)
def test_schemas_are_valid_and_their_examples_too(file: Path) -> None:
    """
    Each schema is one of draft 2020-12, says where it is from, and has two examples or more that satisfy it.
    """
    schema = schema_of(file.stem)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "Source: " in schema["description"]
    assert len(schema["examples"]) >= 2
    assert [list(Draft202012Validator(schema).iter_errors(example)) for example in schema["examples"]] == [
        [] for _ in schema["examples"]
    ]


@pytest.mark.parametrize("file", sorted(contract.SCHEMAS.glob("*.json")), ids=lambda file: file.stem)
def test_every_property_is_described(file: Path) -> None:
    """
    Whoever reads a schema learns of each key what it means.
    """
    assert [place for place, schema in _subschemas(schema_of(file.stem)) if "description" not in schema] == []


def test_every_pattern_has_words() -> None:
    """
    A pattern is told to people as a sentence.
    """
    files = contract.SCHEMAS.rglob("*.json")
    schemas = [schema for file in files for _, schema in _subschemas(json.loads(file.read_text("utf-8")))]

    assert {schema["pattern"] for schema in schemas if "pattern" in schema} == set(PATTERNS)


@pytest.mark.parametrize("name", POINTS)
def test_schemas_and_table_agree(name: str) -> None:
    """
    What the table of points says of keys, the schemas say too.
    """
    point, request, reply = POINTS[name], schema_of(f"{name}.request"), schema_of(f"{name}.reply")
    around = ({"call_full", "call", "conversation"} if point.has_call else set()) | (
        {"call_stage"} if point.stages else set()
    )

    assert (request["title"], reply["title"]) == (f"{name}: request", f"{name}: reply")
    assert {*request["properties"]} - {"record_file_path", "file_path", "record", "file"} == {*point.keys} | around
    assert tuple(request.get("properties", {}).get("call_stage", {}).get("enum", ())) == point.stages
    if point.is_open:
        assert {*point.echo} <= {*reply["properties"]}
        assert reply.get("additionalProperties", True) is True
    else:
        assert tuple(reply.get("properties", {})) == point.echo
        assert reply["additionalProperties"] is False
    if name != "process_record_file_path":  # its path may be under another key
        assert tuple(request.get("required", ())) == point.required


def test_the_same_object_is_described_alike_everywhere() -> None:
    """
    Schemas stand alone, so the call and the activity are written out in each; they do not drift apart.
    """
    requests = [schema_of(f"{name}.request")["properties"] for name in POINTS]

    for key in ("call_full", "call", "conversation", "activity"):
        described = [properties[key] for properties in requests if key in properties]
        assert described
        assert all(one == described[0] for one in described)


def _subschemas(schema: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema
    for keyword in ("properties", "patternProperties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from _subschemas(inner, f"{place}/{keyword}/{name}")
    for keyword in ("items", "propertyNames", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _subschemas(schema[keyword], f"{place}/{keyword}") if "$ref" not in schema[keyword] else ()


# ---- requests --------------------------------------------------------------------------------------------------


def test_makes_values_plain_for_the_hook() -> None:
    """
    Numbers and ids are strings, flags 0 or 1, empty lists objects where an object is meant; nothing else changes.
    """
    body: dict[str, Json] = {
        "CALL_START_DATE": None,
        "CRM_CREATE": "true",
        "LINE_NUMBER": 73432723033,
        "PHONE_NUMBER": 79001234567.0,
        "SHOW": False,
        "TYPE": "2",
        "USER_ID": "5",
        "call_full": {
            "channel": {"from": [], "to": [], "trunk": {"number": 1}, "extra": []},
            "conversations": {"1.2": {"channel": {"extra": [], "tags": []}, "user": []}, "1.3": []},
            "entity": [],
            "deal": [],
            "registration": None,
            "tags": [],
        },
        "conversation": [],
        "extra_key": [],
    }
    before = copy.deepcopy(body)

    request = read("process_registration_params", body)

    assert request.document == {
        "CALL_START_DATE": None,
        "CRM_CREATE": 1,
        "LINE_NUMBER": "73432723033",
        "PHONE_NUMBER": "79001234567",
        "SHOW": 0,
        "TYPE": "2",
        "USER_ID": "5",
        "call_full": {
            "channel": {"from": {}, "to": {}, "trunk": {"number": 1}, "extra": {}},
            "conversations": {"1.2": {"channel": {"extra": {}, "tags": []}, "user": {}}, "1.3": {}},
            "entity": {},
            "deal": {},
            "registration": None,
            "tags": [],
        },
        "conversation": {},
        "extra_key": [],
    }
    assert (request.raw, request.warnings) == (before, ())


def test_makes_every_empty_object_an_object() -> None:
    """
    PHP's [] becomes {} for the call itself, for the conversations, and for the objects in an activity.
    """
    empty_activity = read("customize_activity", {"activity": [], "call_full": []})
    activity = read("customize_activity", {"activity": {"raw": [], "responsible": [], "phones": []}})
    task = read("process_task_creation_params", {"fields": [], "call_full": {"conversations": [], "channel": []}})
    distribution = read("customize_autodistribution", {"user": [], "entity": []})

    assert empty_activity.document == {"activity": {}, "call_full": {}}
    assert activity.document == {"activity": {"raw": {}, "responsible": {}, "phones": []}}
    assert task.document == {"fields": {}, "call_full": {"conversations": {}, "channel": {}}}
    assert distribution.document == {"user": {}, "entity": {}}


@pytest.mark.parametrize(
    ("sent", "seen"),
    [(True, 1), ("true", 1), ("1", 1), (1, 1), (1.0, 1), (False, 0), ("false", 0), ("0", 0), (0, 0), ("yes", "yes")],
)
def test_reads_flags(sent: Json, seen: Json) -> None:
    """
    A flag is 0 or 1 for a hook however it came; what is no flag stays, with a warning.
    """
    request = read("process_final_params", {"CALL_ID": CALL_ID, "ADD_TO_CHAT": sent})

    assert repr(request.document["ADD_TO_CHAT"]) == repr(seen)
    assert bool(request.warnings) == (seen == "yes")


def test_copies_nothing_that_stays_the_same() -> None:
    """
    The call, which is most of a request, is shared between what came in and what the hook is given.
    """
    request = read("process_client_phone", {"phone": 101, "call_full": CALL})

    assert request.document["phone"] == "101"
    assert request.document["call_full"] is request.raw["call_full"] is CALL


def test_takes_a_request_out_of_params() -> None:
    """
    Click-to-call wraps its keys; what stands beside params is ignored, and an empty one is an empty object.
    """
    assert read("process_client_phone", {"params": {"phone": "1"}, "phone": "2"}).raw == {"phone": "1"}
    assert read("process_originate_params", {"params": [], "channel": "2"}).raw == {}
    assert read("process_originate_params", {"params": "x", "channel": "2"}).raw == {"params": "x", "channel": "2"}


@pytest.mark.parametrize("key", ["path", "record_file_path", "file_path", "record", "file"])
def test_finds_the_recording_under_any_of_its_keys(key: str) -> None:
    """
    A hook reads and sets path; the reply goes back under the key that the request had.
    """
    body = {key: "/rec/1.wav", "call_id": 5}
    request = read("process_record_file_path", body)

    assert request.document == {"path": "/rec/1.wav", "call_id": "5"}
    assert contract.unchanged(request) == {key: "/rec/1.wav"}
    assert changed("process_record_file_path", body, {"path": "/rec/1.mp3"}).data == {key: "/rec/1.mp3"}


def test_prefers_a_path_that_is_one() -> None:
    """
    Where one key holds no string, the path is taken from another.
    """
    request = read("process_record_file_path", {"path": None, "file": "/rec/1.wav"})

    assert request.document == {"path": "/rec/1.wav"}
    assert request.warnings == (Violation("/path", "null is not allowed here; allowed: a string."),)


WRONG_VALUES: dict[Shape, list[Json]] = {
    Shape.OBJECT: ["x", 1, True, 0.5, [1]],
    Shape.NUMBER: [None, True, 0.5, [], {}],
    Shape.IDENTIFIER: [None, True, 0.5, [], {}],
}
REQUIRED = [(name, key) for name, point in POINTS.items() for key in point.required]


@pytest.mark.parametrize(("name", "key"), REQUIRED)
def test_refuses_a_wrong_type_at_each_required_key(name: str, key: str) -> None:
    """
    No valid reply can be built without these; their place is named.
    """
    special: dict[str, list[Json]] = {
        "TYPE": WRONG_VALUES[Shape.NUMBER],
        "USER_ID": [True, 0.5, {}],
        "DESCRIPTION": [None, 1, True, [], {}],
        "path": [None, 1, True, [], {}],
    }
    values = special.get(key) or WRONG_VALUES[POINTS[name].keys[key]]

    for value in values:
        with pytest.raises(ContractError) as caught:
            read(name, {**CASES[name].request, "file_path": None, key: value})
        assert (caught.value.point, caught.value.violations[-1].path) == (name, f"/{key}") or key == "path"


@pytest.mark.parametrize(("name", "key"), [row for row in REQUIRED if row[1] != "path"])
def test_refuses_a_missing_required_key(name: str, key: str) -> None:
    """
    The sender is told which key is missing and what it may be.
    """
    with pytest.raises(ContractError) as caught:
        read(name, {other: value for other, value in CASES[name].request.items() if other != key})

    allowed = schema_of(f"{name}.request")["properties"][key]["type"]
    assert [violation.path for violation in caught.value.violations] == [f"/{key}"]
    assert caught.value.violations[0].message.startswith("missing; allowed: ")
    assert ("null" in allowed) == ("null" in caught.value.violations[0].message)


@pytest.mark.parametrize("value", [None, [], {}, {"raw": None}])
def test_takes_null_and_an_empty_list_for_an_object(value: Json) -> None:
    """
    PHP and Go write an object that is not there in their own ways; neither costs a call.
    """
    for name in ("customize_activity", "process_task_creation_params"):
        key = POINTS[name].required[0]
        request = read(name, {key: value})

        assert request.warnings == ()
        assert contract.unchanged(request) == ({} if name == "customize_activity" else {key: value})


def test_tells_all_that_is_wrong_at_once() -> None:
    """
    The sender learns of every fatal violation in one go, what is missing first, and not of what is merely odd.
    """
    with pytest.raises(ContractError) as caught:
        read("process_registration_params", {"SHOW": "yes", "TYPE": {"a": 1}, "call_full": 5})
    with pytest.raises(ContractError) as nothing:
        read("process_record_file_path", {"call_full": CALL})

    assert caught.value.violations == (
        Violation("/PHONE_NUMBER", "missing; allowed: a string or an integer."),
        Violation("/TYPE", '{"a": 1} is an object; allowed: an integer or a string.'),
    )
    assert nothing.value.violations == (
        Violation(
            "/path", "missing; a string is required, under one of: path, record_file_path, file_path, record, file."
        ),
    )


@pytest.mark.parametrize("body", [None, [], "x", 5, True])
def test_refuses_what_is_no_object(body: Json) -> None:
    """
    A request is an object, at every point.
    """
    for name in POINTS:
        with pytest.raises(ContractError, match="send a JSON object"):
            read(name, body)


def test_warns_of_what_is_merely_odd() -> None:
    """
    An unknown code, stage or flag, or a call that is none, never costs a call; the hook sees it as it came.
    """
    body: dict[str, Json] = {
        "CALL_ID": CALL_ID,
        "STATUS_CODE": 999,
        "DURATION": -1,
        "USER_ID": {},
        "call_full": "none",
        "x": {},
    }

    request = read("process_final_params", body)

    assert request.document == {**body, "STATUS_CODE": "999"}
    assert [violation.path for violation in request.warnings] == ["/STATUS_CODE", "/DURATION", "/USER_ID", "/call_full"]
    assert request.warnings[-1].message == '"none" is a string; allowed: an object, null or [].'


@pytest.mark.parametrize("name", POINTS)
@laws
@given(data=st.data())
def test_any_json_is_a_request_or_refused(name: str, data: st.DataObject) -> None:
    """
    Any document becomes a request or a list of violations, and what was received is not touched.
    """
    body = data.draw(documents(name, "request") | json_values)
    before = copy.deepcopy(body)

    request = try_read(name, body)

    if isinstance(request, contract.Request):
        assert contract.envelope(contract.unchanged(request))["state"] == "success"
        assert len(request.document) == len(request.raw) or name == "process_record_file_path"
    else:
        assert request != ()
    assert repr(body) == repr(before)


@pytest.mark.parametrize("name", POINTS)
@laws
@given(data=st.data())
def test_the_fast_way_finds_what_jsonschema_finds(name: str, data: st.DataObject) -> None:
    """
    Checking key by key, and by Python type first, tells the same as a whole run of the schema.
    """
    body = data.draw(documents(name, "request").filter(lambda body: "params" not in body))

    found = contract.violations(name, "request", body)
    request = try_read(name, body)

    if isinstance(request, contract.Request):
        assert list(request.warnings) == found
    else:
        assert set(request) <= set(found)


@pytest.mark.parametrize("name", POINTS)
@laws
@given(data=st.data())
def test_the_unchanged_reply_is_what_came_in(name: str, data: st.DataObject) -> None:
    """
    Values go back with the JSON type they had, and keys that were not sent are not made up.
    """
    point = POINTS[name]
    sent = data.draw(requests(name))

    kept = contract.unchanged(read(name, sent))

    if name == "customize_autodistribution":
        sent = {"number": "", "name": ""} | sent
        sent["name"] = sent["name"][:20] if isinstance(sent["name"], str) else sent["name"]
    if name == "process_record_file_path":
        assert kept in [{key: sent[key]} for key in RECORD_KEYS if key in sent]
    elif point.unchanged is Unchanged.ECHO:
        assert repr(kept) == repr({key: sent[key] for key in point.echo if key in sent})
    else:
        assert kept == (contract.NO_DATA if point.unchanged is Unchanged.NOTHING else point.constant)


# ---- replies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGEABLE)
def test_nothing_returned_keeps_the_call_as_it_is(name: str) -> None:
    """
    None, an empty dict and the request itself all mean: unchanged.
    """
    case = CASES[name]
    request = read(name, case.request)

    changes: list[Json] = [None, {}, as_returned(request.document)]
    for change in changes:
        reply = contract.read_change(request, change, is_cancel=False)
        assert reply == contract.Reply(case.kept, "unchanged", ())
    assert contract.unchanged(request) == case.kept


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_change_is_laid_over_the_unchanged_reply(name: str) -> None:
    """
    A hook names only what it changes; with the whole request around it, it is the same.
    """
    case = CASES[name]
    request = read(name, case.request)

    assert changed(name, case.request, case.change) == contract.Reply(case.changed, "ok", ())
    around = contract.read_change(request, as_returned(request.document) | case.change, is_cancel=False)
    assert around == contract.Reply(case.changed, "ok", ())


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_misspelt_key_is_answered_with_the_right_one(name: str) -> None:
    """
    Where the keys are fixed it is an error; among the CRM's fields, of which a portal has more, a warning.
    """
    case = CASES[name]

    if POINTS[name].is_open:
        reply = changed(name, case.request, case.typo)
        assert [str(warning) for warning in reply.warnings] == [case.told]
        assert (reply.data, reply.outcome) == (case.kept | case.typo, "ok")
    else:
        assert refusal(name, case.request, case.typo) == [case.told]


@pytest.mark.parametrize("name", CHANGEABLE)
def test_a_wrong_value_is_answered_with_the_rule(name: str) -> None:
    """
    The hook's author is told the place, the value, what is allowed and what to write.
    """
    assert refusal(name, CASES[name].request, CASES[name].wrong) == [CASES[name].refused]


@pytest.mark.parametrize("name", POINTS)
def test_cancel_empties_the_data_where_that_cancels(name: str) -> None:
    """
    CANCEL sends empty data where the connector reads it so; elsewhere the author learns where it does.
    """
    request = CASES[name].request if name in CASES else {}

    if POINTS[name].cancels:
        assert changed(name, request, None, is_cancel=True) == contract.Reply({}, "cancelled", ())
    else:
        (told,) = refusal(name, request, None, is_cancel=True)
        assert told.startswith("/: CANCEL means nothing here: no CRM request follows. It works at customize_activity, ")


@pytest.mark.parametrize("change", [{"USER_ID": 5}, {"call_stage": 1}, "done", 5, True, []])
def test_what_post_registration_returns_is_ignored(change: Json) -> None:
    """
    The connector reads only the state there; a hook that returns something is told so.
    """
    reply = changed("post_registration", {"call_full": CALL}, change)

    told = f"{json.dumps(change)} is ignored: this point's reply has no data."
    assert reply == contract.Reply(contract.NO_DATA, "ok", (Violation("", told),))
    assert changed("post_registration", {}, None) == contract.Reply(contract.NO_DATA, "unchanged", ())
    assert changed("post_registration", {}, {}) == contract.Reply(contract.NO_DATA, "unchanged", ())


@pytest.mark.parametrize("value", ["5", 5, None, 5.0, True, [5], {"a": 1}])
def test_what_the_hook_left_alone_keeps_its_type(value: Json) -> None:
    """
    A reply is never lost over what the connector itself sent, however odd, and its type is not touched.
    """
    body = {"CALL_ID": 4711, "USER_ID": value, "ADD_TO_CHAT": "1", "DURATION": "73"}
    request = read("process_final_params", body)

    for change in ({"STATUS_CODE": "304"}, as_returned(request.document) | {"STATUS_CODE": "304"}):
        reply = contract.read_change(request, change, is_cancel=False)
        assert isinstance(reply.data, dict)
        assert repr(sorted(reply.data.items())) == repr(sorted({**body, "STATUS_CODE": "304"}.items()))


@pytest.mark.parametrize(
    ("received", "returned", "sent"),
    [(1, 1, 1), (1, 1.0, 1), (1.0, 1, 1), (1.0, 1.0, 1.0), (True, 1, 1), ("1", 1, 1), (2, 1.0, 1)],
)
def test_tells_numbers_booleans_and_strings_apart(received: Json, returned: Json, sent: Json) -> None:
    """
    What is equal to Python is not always equal in JSON; a whole float that a hook sets goes out as an integer.
    """
    reply = changed(
        "process_registration_params", {"PHONE_NUMBER": "1", "TYPE": 1, "USER_ID": received}, {"USER_ID": returned}
    )

    assert isinstance(reply.data, dict)
    assert repr(reply.data["USER_ID"]) == repr(sent)
    assert reply.outcome == ("unchanged" if repr(received) in (repr(returned), repr(sent)) and received != 2 else "ok")


def test_makes_whole_floats_integers_at_any_depth() -> None:
    """
    Arithmetic on durations gives floats; the connector's decoder wants integers.
    """
    reply = changed("customize_activity", {"activity": {}}, {"SETTINGS": {"a": [1.0, 2.5, {"b": 3.0}]}})

    assert repr(reply.data) == "{'SETTINGS': {'a': [1, 2.5, {'b': 3}]}}"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        (
            "need_registration",
            False,
            'false, which is a boolean. Return a dict of what you change, such as {"result": False}',
        ),
        (
            "process_user_phone",
            "102",
            '"102", which is a string. Return a dict of what you change, such as {"phone": "102"}',
        ),
        ("process_user_phone", 102, '102, which is an integer. Return a dict of what you change, such as {"phone": …}'),
        ("customize_activity", [], '[], which is a list. Return a dict of what you change, such as {"TITLE": …}'),
    ],
)
def test_says_what_to_return_instead(name: str, change: Json, told: str) -> None:
    """
    A hook that returns something other than a dict is shown what it probably meant.
    """
    body = CASES[name].request

    assert refusal(name, body, change) == [f"/: the hook returned {told}, or nothing to change nothing."]


def test_tells_all_that_a_hook_set_wrong_at_once() -> None:
    """
    The author need not find the mistakes one by one; what the hook left alone is not among them.
    """
    body = {"CALL_ID": CALL_ID, "ADD_TO_CHAT": "yes", "DURATION": -5}

    told = refusal(
        "process_final_params",
        body,
        {"status": 1, "STATUS_CODE": 304, "DURATION": "12", "USER_ID": "boss", "call_full": {}},
    )

    assert told == [
        f"/status: this point has no such key; did you mean STATUS_CODE? {KEYS_FINAL}",
        '/STATUS_CODE: 304 is not one of: "200", "304", "603", "603-S", "403", "404", "486", "484", "503", "480",'
        ' "402", "423", "OTHER". Write "304".',
        '/DURATION: "12" is a string; allowed: an integer. Write 12.',
        f'/USER_ID: "boss" is of a wrong form: digits only are allowed. {LEAVE_OUT}',
        f"/call_full: this is a key of the request, and a reply has none such. {KEYS_FINAL}",
    ]


def test_says_of_a_key_of_the_request_that_it_is_one() -> None:
    """
    Writing into the request is no way to change the reply.
    """
    body = {**FINAL, "call_full": CALL, "conversation": {}}

    told = refusal("process_final_params", body, {"call_full": {}, "conversation": {"type": 1}})

    assert told == [
        f"/call_full: this is a key of the request, and a reply has none such. {KEYS_FINAL}",
        f"/conversation: this is a key of the request, and a reply has none such. {KEYS_FINAL}",
    ]


@pytest.mark.parametrize("key", ["caller_id", "channel", "context", "extension", "priority"])
@pytest.mark.parametrize("value", ["1\nAction: Originate", "1\r", "1\n", "\0"])
def test_lets_no_line_break_into_the_line_protocol(key: str, value: str) -> None:
    """
    What a hook sets at click-to-call cannot smuggle in a command of the telephone system.
    """
    (told,) = refusal("process_originate_params", ORIGINATE, {key: value})

    assert told.startswith(f"/{key}: {json.dumps(value)} is of a wrong form: {ONE_LINE}.")


def test_lets_no_line_break_into_request_data() -> None:
    """
    The same holds for every string in what the CRM sent with the click.
    """
    data = {"a": [{"b": "x\ny"}], "c": "fine", "d": "\0"}

    told = refusal("process_originate_params", ORIGINATE, {"request_data": data})

    assert [line.partition(": ")[0] for line in told] == ["/request_data/a/0/b", "/request_data/d"]


@pytest.mark.parametrize("value", [0, -1, "", "boss", "5\n", True, None, {}, [], [0], ["boss"], [None], [[5]]])
def test_opens_the_card_for_users_only(value: Json) -> None:
    """
    A user is a positive number or digits; a list names at least one.
    """
    assert refusal("customize_show_call_card", CASES["customize_show_call_card"].request, {"USER_ID": value})


def test_changes_a_task_one_level_deeper() -> None:
    """
    Fields that a hook leaves out stay, whatever the request's fields were; an empty change is none.
    """
    name = "process_task_creation_params"

    assert changed(name, {"fields": []}, {"fields": {"TITLE": "x"}}).data == {"fields": {"TITLE": "x"}}
    assert changed(name, {"fields": None}, {"fields": {"TITLE": "x"}}).data == {"fields": {"TITLE": "x"}}
    assert changed(name, {"fields": {"TITLE": 5}}, {"fields": {"TITLE": 5}}).data == {"fields": {"TITLE": 5}}
    received: list[Json] = [[], None, TASK]
    for fields in received:
        reply = changed(name, {"fields": fields}, {"fields": {}})
        assert reply == contract.Reply({"fields": fields}, "unchanged", ())
    assert refusal(name, {"fields": TASK}, {"fields": [1]}) == [
        f"/fields: [1] is a list; allowed: an object. {LEAVE_OUT}"
    ]


def test_warns_of_task_fields_that_the_crm_ignores() -> None:
    """
    A portal may have more fields than are documented, so a name that is not known only warns.
    """
    reply = changed(
        "process_task_creation_params", {"fields": {}}, {"fields": {"TITEL": "x", "CREATED_DATE": "x", "UF_AUTO_1": 1}}
    )

    assert reply.data == {"fields": {"TITEL": "x", "CREATED_DATE": "x", "UF_AUTO_1": 1}}
    assert [str(warning) for warning in reply.warnings] == [
        f"/fields/TITEL: the CRM's reference has no such field of a task; did you mean TITLE? {IGNORES}",
        "/fields/CREATED_DATE: the CRM keeps this field of a task itself and ignores yours.",
    ]


def test_knows_whether_the_entity_is_a_lead_or_a_contact() -> None:
    """
    Leads and contacts have different fields; where the call does not tell, those of both pass.
    """
    contact = {"call_full": {"entity": {"type": "contact"}}}

    assert changed("customize_entity", {"call_full": CALL}, {"TITLE": "x"}).warnings == ()
    assert [
        warning.path for warning in changed("customize_entity", contact, {"TITLE": "x", "EXPORT": "Y"}).warnings
    ] == ["/TITLE"]
    untold: list[Json] = [None, {"entity": {"type": []}}, {"entity": 5}, "none"]
    for call in untold:
        assert changed("customize_entity", {"call_full": call}, {"TITLE": "x", "EXPORT": "Y"}).warnings == ()


def test_warns_of_numbers_that_pile_up() -> None:
    """
    The CRM adds a number without an ID anew after every call.
    """
    phones = [{"VALUE": "1"}, {"ID": "7", "VALUE": "2"}, "3"]

    reply = changed("customize_entity", {}, {"PHONE": phones, "EMAIL": {"n0": {"VALUE": "a@b"}}, "WEB": None})

    told = "without an ID the CRM adds this value anew after every call. Set its ID."
    assert reply.warnings == tuple(Violation(path, told) for path in ("/PHONE/0", "/PHONE/2", "/EMAIL/n0"))


def test_warns_of_what_is_valid_but_unwise() -> None:
    """
    Another call's id, and a card that the registration would open, go out and are told.
    """
    final = changed("process_final_params", FINAL, {"CALL_ID": "other"})
    registration = changed("process_registration_params", REGISTRATION, {"SHOW": 1})

    assert final.data == {**FINAL, "CALL_ID": "other"}
    assert final.warnings == (
        Violation("/CALL_ID", f'changed from "{CALL_ID}"; the connector\'s vendor advises against it.'),
    )
    assert registration.data == {**REGISTRATION, "SHOW": 1}
    assert registration.warnings == (
        Violation("/SHOW", "the call card has a point of its own, customize_show_call_card; leave this 0."),
    )


@pytest.mark.parametrize("change", [None, {"name": "Ivan Ivanovich Sidorov-Petrov"}])
def test_cuts_a_caller_name_whoever_set_it(change: Json) -> None:
    """
    Asterisk takes 20 characters; a longer name is cut, and told, instead of losing the reply.
    """
    body = {"number": "101", "name": "Ivan Ivanovich Sidorov-Petrov"}

    reply = changed("customize_autodistribution", body, change)

    told = Violation("/name", '"Ivan Ivanovich Sidorov-Petrov" has 29 characters; cut to 20.')
    assert reply == contract.Reply({"number": "101", "name": "Ivan Ivanovich Sidor"}, "unchanged", (told,))
    assert contract.unchanged(read("customize_autodistribution", body)) == reply.data
    assert changed("customize_autodistribution", {}, {"name": "я" * 21}).data == {"number": "", "name": "я" * 20}


def test_a_decision_is_one_even_if_the_request_has_such_a_key() -> None:
    """
    False ignores the conversation, although nothing differs from an odd request's own key.
    """
    assert changed("need_registration", {"result": False}, {"result": False}).data == {"result": False}
    assert changed("need_registration", {"result": False}, None).data == {"result": True}


def test_tells_a_hundred_violations_and_counts_the_rest() -> None:
    """
    Nobody reads more, and a million of them must not hold up a call.
    """
    change = {f"key{number}": number for number in range(150)}

    told = refusal("process_user_phone", {"phone": "1"}, change)
    found = contract.violations("process_user_phone", "reply", {"phone": "1"} | change)

    assert (len(told), told[-1]) == (101, "/: and 50 more violations")
    assert told == [str(violation) for violation in found]


def test_refuses_to_check_a_huge_value() -> None:
    """
    Checking is done while other calls wait.
    """
    (values,) = refusal("process_originate_params", {}, {"request_data": {"a": [[1] * 100] * 101}})
    (keys,) = refusal("customize_activity", {"activity": {}}, {f"UF_CRM_{number}": 1 for number in range(1001)})
    many = [f"UF_CRM_{number}" for number in range(1001)]
    (nested,) = refusal("process_task_creation_params", {"fields": {}}, {"fields": dict.fromkeys(many, 1)})

    assert values == "/: more than 10000 values are set. Set only what the CRM shall write."
    assert keys == "/: more than 1000 keys are set. Set only what the CRM shall write."
    assert nested == "/fields: more than 1000 keys are set. Set only what the CRM shall write."


def test_shortens_values_in_messages() -> None:
    """
    A message fits a log line however large the value is.
    """
    (told,) = refusal("process_user_phone", {"phone": "1"}, {"phone": ["x" * 1000] * 1000})

    assert told == f'/phone: ["{"x" * 57}… is a list; allowed: a string. {LEAVE_OUT}'


@pytest.mark.parametrize("name", POINTS)
@laws
@given(data=st.data())
def test_any_json_is_a_reply_or_told(name: str, data: st.DataObject) -> None:
    """
    Whatever a hook returns gives a reply or violations; over a valid request every reply is valid.
    """
    point = POINTS[name]
    request = read(name, schema_of(f"{name}.request")["examples"][0])
    change = data.draw(documents(name, "reply") | json_values)
    is_cancel = data.draw(st.booleans())

    reply = try_change(request, change, is_cancel=is_cancel)

    if isinstance(reply, tuple):
        assert reply != ()
    elif reply.outcome == "cancelled":
        assert (reply.data, point.cancels) == ({}, True)
    elif reply.data is not contract.NO_DATA:
        assert contract.violations(name, "reply", reply.data) == []


@pytest.mark.parametrize("name", CHANGEABLE)
@laws
@given(data=st.data())
def test_returning_any_request_changes_nothing(name: str, data: st.DataObject) -> None:
    """
    `return request` is always fine, whatever the connector sent.
    """
    request = read(name, data.draw(requests(name).filter(lambda body: "result" not in body)))

    reply = contract.read_change(request, as_returned(request.document), is_cancel=False)

    assert (repr(reply.data), reply.outcome) == (repr(contract.unchanged(request)), "unchanged")


# ---- around ----------------------------------------------------------------------------------------------------


def test_wraps_data_as_the_connector_reads_it() -> None:
    """
    Data and state; only the state where there is no data.
    """
    assert contract.envelope({"phone": "1"}) == {"data": {"phone": "1"}, "state": "success"}
    assert contract.envelope({}) == {"data": {}, "state": "success"}
    assert contract.envelope(contract.NO_DATA) == {"state": "success"}


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("need_registration", {"result": False}),
        ("customize_autodistribution", {"number": "100", "name": ""}),
        ("process_final_params", {}),
        ("customize_activity", {"COMPLETED": "N"}),
    ],
)
def test_takes_a_constant_that_is_a_reply(name: str, constant: Json) -> None:
    """
    A site may answer a failing hook with a whole reply, or cancel.
    """
    assert contract.check_constant(POINTS[name], constant) == []


@pytest.mark.parametrize(
    ("name", "constant", "path", "told"),
    [
        ("need_registration", {"result": "no"}, "/result", '"no" is a string; allowed: a boolean.'),
        ("need_registration", {}, "", "empty data means nothing here: no CRM request follows."),
        ("need_registration", {"Result": False}, "/Result", "this point has no such key; did you mean result?"),
        ("process_final_params", {"STATUS_CODE": "304"}, "/CALL_ID", "missing; allowed: a string."),
        ("post_registration", {}, "", "this point's reply has no data. Leave the constant out."),
        ("customize_activity", 5, "", "5 is an integer; allowed: an object."),
        ("customize_activity", {"subject": 5}, "/subject", '"subject" is of a wrong form: names of CRM fields'),
    ],
)
def test_refuses_a_constant_that_is_none(name: str, constant: Json, path: str, told: str) -> None:
    """
    The start stops on a constant that the connector could not read.
    """
    found = contract.check_constant(POINTS[name], constant)

    assert any(violation.path == path and violation.message.startswith(told) for violation in found)


def test_loads_every_schema_ahead() -> None:
    """
    Nothing is left to compile once a service has started.
    """
    contract.preload()
    loaded = load.cache_info().currsize

    for name, case in CASES.items():
        changed(name, case.request, case.change)

    assert loaded >= 29  # those of a portal's events, too, where another test used them
    assert load.cache_info().currsize == loaded
