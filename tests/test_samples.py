import json
import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookd import contract, samples
from hookd.documents import Json, dump, parse
from hookd.errors import SampleError
from hookd.points import CALL_KEYS, CALL_STAGES, LEGACY_KEYS, POINTS, RECORD_POINT
from hookd.samples import SCENARIOS
from hookd.samples.scenarios import Form, Scenario

ALL = [(point, name) for point in POINTS for name in samples.names(POINTS[point])]
FULL = [(point, name) for point, name in ALL if "call_full" in samples.sample(POINTS[point], name)]
STAGED = [(point, name) for point, name in FULL if "@" in name]
UNSET = "0001-01-01 00:00:00"


def scenario_of(name: str) -> Scenario:
    return SCENARIOS[name.partition("@")[0]]


def channels(call: Json) -> list[Json]:
    return [call["channel"], *(each["channel"] for each in call["conversations"].values())]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (
            "process_client_phone",
            [
                *(f"incoming@{stage}" for stage in CALL_STAGES),
                *(f"outgoing@{stage}" for stage in CALL_STAGES),
                "incoming-missed@conversation_requested",
                "incoming-missed@conversation_ended",
                "incoming-missed@call_ended",
                "outgoing-unanswered@conversation_requested",
                "outgoing-unanswered@conversation_ended",
                "outgoing-unanswered@call_ended",
                *(f"transferred@{stage}" for stage in CALL_STAGES),
                "ivr@call_ended",
                *(f"queue@{stage}" for stage in CALL_STAGES),
                *(f"click-to-call@{stage}" for stage in CALL_STAGES),
                *(f"legacy@{stage}" for stage in CALL_STAGES),
                "minimal",
            ],
        ),
        (
            "process_registration_params",
            [
                "incoming@conversation_requested",
                "outgoing@conversation_requested",
                "incoming-missed@conversation_requested",
                "outgoing-unanswered@conversation_requested",
                "transferred@conversation_requested",
                "ivr@call_ended",
                "queue@conversation_requested",
                "legacy@conversation_requested",
                "minimal",
            ],
        ),
        ("process_task_creation_params", ["incoming-missed", "outgoing-unanswered", "ivr", "minimal"]),
        ("process_originate_params", ["click-to-call", "minimal"]),
        ("customize_autodistribution", ["incoming", "incoming-missed", "transferred", "queue", "minimal"]),
        (
            "process_record_file_path",
            ["incoming", "outgoing", "transferred", "queue", "click-to-call", "legacy", "minimal"],
        ),
    ],
)
def test_a_point_has_samples_of_the_calls_in_which_it_is_asked(point: str, expected: list[str]) -> None:
    """
    Scenarios in which the connector does not ask are left out, and so are stages that a call does not come to.
    """
    assert samples.names(POINTS[point]) == expected


@pytest.mark.parametrize("point", POINTS)
def test_every_point_has_a_default_and_a_minimal_sample(point: str) -> None:
    """
    Whoever names no sample gets a full one; the minimal one holds the required keys and nothing else.
    """
    names = samples.names(POINTS[point])

    assert samples.default(POINTS[point]) == names[0] != "minimal"
    assert set(samples.sample(POINTS[point], "minimal")) == set(POINTS[point].required)


@pytest.mark.parametrize(("point", "name"), ALL)
def test_a_sample_has_the_keys_that_its_connector_sends(point: str, name: str) -> None:
    """
    A full sample has each documented key of its point, in the vendor's order, and then the call; nothing else.
    """
    request = samples.sample(POINTS[point], name)

    keys = list(POINTS[point].keys)
    stage = ["call_stage"] if POINTS[point].stages else []
    if scenario_of(name).form is Form.MINIMAL:
        expected = list(POINTS[point].required)
    elif point in ("process_originate_params", "customize_autodistribution"):
        expected = keys
    elif scenario_of(name).form is Form.FULL:
        expected = [*keys, "call_full", *stage]
    else:
        expected = keys if point == RECORD_POINT else [*keys, *LEGACY_KEYS, *stage]
    assert list(request) == expected


@pytest.mark.parametrize(("point", "name"), ALL)
def test_a_sample_is_plain_json_and_the_callers_own(point: str, name: str) -> None:
    """
    A sample survives the strict parser, is the same each time, and shares nothing with the next one.
    """

    def spoil(node: Json) -> None:
        children = list(node.values() if isinstance(node, dict) else node)
        for child in children:
            if isinstance(child, dict | list):
                spoil(child)
        node.clear()

    first = samples.sample(POINTS[point], name)
    before = dump(first)
    spoil(first)

    assert dump(samples.sample(POINTS[point], name)) == before
    assert parse(before) == samples.sample(POINTS[point], name)


@pytest.mark.parametrize(("point", "name"), ALL)
def test_a_sample_names_nobody_real(point: str, name: str) -> None:
    """
    The numbers are the client's, the trunk's and three extensions; hosts and addresses are reserved for examples.
    """
    text = json.dumps(samples.sample(POINTS[point], name), ensure_ascii=False)

    assert set(re.findall(r"\+\d+", text)) <= {"+79001234567", "+03"}
    numbers = re.findall(r'"(?:number|phone|from|to|trunk|LINE_NUMBER|PHONE_NUMBER)": "([^"]*)"', text)
    assert set(numbers) <= {"", "+79001234567", "73432723033", "101", "102", "103"}
    assert set(re.findall(r"[\w.]+\.(?:com|ru|org|net)", text)) <= {"example.com", "pbx.example.com"}


@pytest.mark.parametrize(("point", "name"), FULL)
def test_a_full_sample_is_as_large_as_a_real_request(point: str, name: str) -> None:
    """
    A full sample costs what a real request costs: about 2 KB, less before anything is known, more for many lines.
    """
    size = len(dump(samples.sample(POINTS[point], name)))

    assert 500 <= size <= 4_096


@pytest.mark.parametrize(("point", "name"), STAGED)
def test_a_call_evolves_with_its_stages(point: str, name: str) -> None:
    """
    At each stage the conversation that it is about, the call and what is known of its end are in step.
    """
    request = samples.sample(POINTS[point], name)
    call, stage = request["call_full"], request["call_stage"]

    assert stage == name.partition("@")[2]
    assert (call["channel"]["state"] == "ended") == (stage == "call_ended")
    assert (call["result"] != 0) == (stage == "call_ended")
    assert (call["active_conversation_id"] == "") == (stage == "call_ended")
    if stage != "call_ended":
        told = call["conversations"][call["active_conversation_id"]]["channel"]
        assert (
            told["state"]
            == {
                "conversation_requested": "ringing",
                "conversation_accepted": "talking",
                "conversation_ended": "ended",
            }[stage]
        )


@pytest.mark.parametrize(("point", "name"), FULL)
def test_the_times_of_a_channel_agree_with_its_state(point: str, name: str) -> None:
    """
    What has not happened yet has the zero time; what has, happened in order, on one day.
    """
    for channel in channels(samples.sample(POINTS[point], name)["call_full"]):
        started, answered, ended = (channel[f"{key}_time"] for key in ("start", "answer", "end"))
        known = [datetime.fromisoformat(time) for time in (started, answered, ended) if time != UNSET]

        assert started != UNSET
        assert all(earlier < later for earlier, later in pairwise(known))
        assert channel["was_answered"] == (answered != UNSET)
        assert channel["state"] == ("ended" if ended != UNSET else "talking" if answered != UNSET else "ringing")
        assert channel["extra"].keys() == ({"hangup_cause", "dial_status"} if ended != UNSET else set())


@pytest.mark.parametrize(("point", "name"), FULL)
def test_the_numbers_and_ids_of_a_call_agree(point: str, name: str) -> None:
    """
    One main channel, conversations under their own ids, one trunk, one client, on the side that the direction says.
    """
    request = samples.sample(POINTS[point], name)
    call = request["call_full"]

    main, *others = channels(call)
    client, inside = ("from", "to") if scenario_of(name).is_incoming else ("to", "from")
    assert main["is_primary"]
    assert not any(channel["is_primary"] for channel in others)
    assert list(call["conversations"]) == [channel["id"] for channel in others]
    assert main["id"] not in call["conversations"]
    assert {channel["type"] for channel in (main, *others)} == ({"incoming"} if client == "from" else {"outgoing"})
    assert {channel["trunk"]["number"] for channel in (main, *others)} == {"73432723033"}
    assert {channel[client]["number"] for channel in (main, *others)} == {"+79001234567"}
    for conversation in call["conversations"].values():
        user = conversation["user"]
        assert user is None or user["phones"] == [conversation["channel"][inside]["number"]]
    assert call["is_ivr"] == (not call["conversations"])


@pytest.mark.parametrize(("point", "name"), ALL)
def test_one_call_has_one_crm_id(point: str, name: str) -> None:
    """
    The CRM's id of a call and of its client is the same at every point, and made of the call's own start.
    """
    scenario = scenario_of(name)
    text = json.dumps(samples.sample(POINTS[point], name))

    start = int(scenario.linkedid.partition(".")[0])
    assert set(re.findall(r"externalCall\.\w+\.\d+", text)) <= {scenario.call_id}
    assert re.fullmatch(rf"externalCall\.[0-9a-f]{{32}}\.{start}", scenario.call_id)
    assert set(re.findall(r'"CRM_ENTITY_ID": "?(\d+)', text)) <= {str(scenario.client.id)}


@pytest.mark.parametrize(
    ("name", "duration_s", "status", "user_id"),
    [
        ("incoming", 180, "200", 5),
        ("outgoing", 78, "200", 5),
        ("incoming-missed", 0, "304", 5),
        ("outgoing-unanswered", 0, "480", 5),
        ("transferred", 228, "200", 8),
        ("ivr", 0, "304", 1),
        ("queue", 108, "200", 8),
        ("click-to-call", 78, "200", 5),
        ("legacy", 180, "200", 5),
    ],
)
def test_final_params_tell_how_the_call_ended(name: str, duration_s: int, status: str, user_id: int) -> None:
    """
    Nobody talked in a missed call; a transferred one belongs to the last talker, a queue's to who answered.
    """
    request = samples.sample(POINTS["process_final_params"], name)

    assert {key: value for key, value in request.items() if key not in (*CALL_KEYS, *LEGACY_KEYS)} == {
        "ADD_TO_CHAT": 1,
        "CALL_ID": SCENARIOS[name].call_id,
        "DURATION": duration_s,
        "STATUS_CODE": status,
        "USER_ID": user_id,
    }
    if name != "legacy":
        lines = channels(request["call_full"])
        talks = [
            (datetime.fromisoformat(line["answer_time"]), datetime.fromisoformat(line["end_time"]))
            for line in lines[1:]
            if line["was_answered"]
        ]
        between = max(end for _, end in talks) - min(start for start, _ in talks) if talks else timedelta()
        assert request["call_full"]["result"] == int(status)
        assert lines[0]["was_answered"] == (duration_s > 0)
        assert between.total_seconds() == duration_s
        assert (request["call_full"]["record"] != "") == (duration_s > 0)


@pytest.mark.parametrize(
    ("name", "type_", "user_id", "starts"),
    [
        ("incoming", 2, 5, "10:15:00"),
        ("outgoing", 1, 5, "11:02:10"),
        ("transferred", 2, 5, "13:20:05"),
        ("ivr", 2, 1, "14:08:30"),
        ("queue", 2, 5, "15:31:45"),
    ],
)
def test_registration_params_tell_how_the_call_starts(name: str, type_: int, user_id: int, starts: str) -> None:
    """
    A call is registered once, for whom it reaches first; nobody but the CRM knows the client of a new number.
    """
    request = samples.sample(POINTS["process_registration_params"], name)

    assert {key: value for key, value in request.items() if key not in CALL_KEYS} == {
        "CALL_START_DATE": f"2025-03-12T{starts}+03:00",
        "CRM_CREATE": 1,
        "CRM_SOURCE": "CALL",
        "LINE_NUMBER": "73432723033",
        "PHONE_NUMBER": "+79001234567",
        "SHOW": 0,
        "TYPE": type_,
        "USER_ID": user_id,
    }
    assert request["call_full"]["registration"] is None
    assert (request["call_full"]["entity"] is None) == SCENARIOS[name].client.is_new


@pytest.mark.parametrize(
    ("point", "name", "has_user", "entity_id", "is_registered"),
    [
        ("process_user_phone", "incoming@conversation_requested", False, None, False),
        ("need_registration", "incoming@conversation_requested", True, "42", False),
        ("customize_show_call_card", "incoming@conversation_requested", True, "42", True),
        ("process_client_phone", "incoming@conversation_accepted", True, "42", True),
        ("need_registration", "incoming-missed@conversation_requested", True, None, False),
        ("post_registration", "incoming-missed@conversation_requested", True, "1207", True),
        ("process_user_phone", "transferred@conversation_requested", False, "42", True),
        ("need_registration", "click-to-call@conversation_requested", True, "42", True),
    ],
)
def test_a_request_holds_what_the_connector_has_found_out(
    *, point: str, name: str, has_user: bool, entity_id: str | None, is_registered: bool
) -> None:
    """
    Before its look-ups the connector knows neither employee nor client, and before registration no new client.
    """
    call = samples.sample(POINTS[point], name)["call_full"]

    told = call["conversations"][call["active_conversation_id"]]
    assert (told["user"] is not None) == has_user
    assert (call["entity"] or {}).get("id") == entity_id
    assert (call["registration"] is not None) == is_registered


def test_a_transferred_call_has_both_conversations() -> None:
    """
    When the second extension rings, the first conversation is over and the caller still on the line.
    """
    call = samples.sample(POINTS["process_user_phone"], "transferred@conversation_requested")

    first, second = call["call_full"]["conversations"].values()
    assert call["phone"] == "102"
    assert (first["user"]["phones"], first["channel"]["state"]) == (["101"], "ended")
    assert (second["user"], second["channel"]["state"]) == (None, "ringing")
    assert call["call_full"]["channel"]["state"] == "talking"


def test_a_queue_is_answered_by_one_of_three() -> None:
    """
    The extensions that did not answer end when the one that did does answer.
    """
    call = samples.sample(POINTS["need_registration"], "queue@conversation_accepted")["call_full"]

    legs = [each["channel"] for each in call["conversations"].values()]
    elsewhere = {"hangup_cause": 26, "dial_status": "CANCEL"}
    assert [(leg["to"]["number"], leg["state"], leg["extra"]) for leg in legs] == [
        ("101", "ended", elsewhere),
        ("102", "talking", {}),
        ("103", "ended", elsewhere),
    ]


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("incoming", {"hangup_cause": 16, "dial_status": "ANSWER"}),
        ("incoming-missed", {"hangup_cause": 16, "dial_status": "CANCEL"}),
        ("outgoing-unanswered", {"hangup_cause": 19, "dial_status": "NOANSWER"}),
        ("ivr", {"hangup_cause": 16, "dial_status": ""}),
    ],
)
def test_a_channel_tells_why_it_ended(name: str, extra: Json) -> None:
    """
    The hang-up cause and the dial status are those that Asterisk gives to such a call.
    """
    call = samples.sample(POINTS["process_final_params"], name)["call_full"]

    assert call["channel"]["extra"] == extra


@pytest.mark.parametrize(
    ("name", "subject", "completed", "direction", "owner"),
    [
        ("incoming", "Входящий от +79001234567", "Y", "1", ("42", "3")),
        ("outgoing", "Исходящий на +79001234567", "Y", "2", ("42", "3")),
        ("incoming-missed", "Пропущенный от +79001234567", "N", "1", ("1207", "1")),
    ],
)
def test_an_activity_is_the_crms_record_of_the_call(
    name: str, subject: str, completed: str, direction: str, owner: tuple[str, str]
) -> None:
    """
    An activity is generic outside and the CRM's own fields, as text, inside.
    """
    activity = samples.sample(POINTS["customize_activity"], name)["activity"]

    scenario = SCENARIOS[name]
    raw = activity.pop("raw")
    responsible = activity.pop("responsible")
    assert activity == {
        "id": "1501",
        "is_new": False,
        "name": subject,
        "phones": [],
        "responsible_id": "5",
        "type": "activity",
    }
    assert responsible == {
        "id": 5,
        "phones": ["101"],
        "name": "Мария Иванова",
        "email": "ivanova@example.com",
        "position": "Менеджер",
    }
    assert raw == {
        "ID": "1501",
        "OWNER_ID": owner[0],
        "OWNER_TYPE_ID": owner[1],
        "TYPE_ID": "2",
        "PROVIDER_ID": "VOXIMPLANT_CALL",
        "PROVIDER_TYPE_ID": "CALL",
        "SUBJECT": subject,
        "START_TIME": scenario.starts_at.isoformat(),
        "END_TIME": scenario.second(scenario.ends_s).isoformat(),
        "COMPLETED": completed,
        "RESPONSIBLE_ID": "5",
        "DIRECTION": direction,
        "ORIGIN_ID": f"VI_{scenario.call_id}",
    }


def test_a_task_is_due_after_the_missed_call_and_linked_to_its_client() -> None:
    """
    The task of a missed call has all five documented fields.
    """
    request = samples.sample(POINTS["process_task_creation_params"], "incoming-missed")

    assert request["fields"] == {
        "CREATED_BY": 1,
        "DEADLINE": "2025-03-12T12:40:58+03:00",
        "RESPONSIBLE_ID": 5,
        "TITLE": "Пропущенный звонок от +79001234567",
        "UF_CRM_TASK": ["L_1207"],
    }


@pytest.mark.parametrize(
    ("name", "number", "error"),
    [("incoming", "101", ""), ("incoming-missed", "", "entity not found"), ("queue", "", "entity not found")],
)
def test_autodistribution_rings_the_responsible_of_a_known_client(name: str, number: str, error: str) -> None:
    """
    A known client has a responsible, whose name fits into a caller id; an unknown one takes the normal route.
    """
    request = samples.sample(POINTS["customize_autodistribution"], name)

    assert (request["number"], request["error"]) == (number, error)
    assert len(request["name"]) <= 20
    assert (request["user"] is None) == (request["entity"] is None) == (number == "")


def test_a_recording_has_one_name_on_disk_and_on_the_web() -> None:
    """
    The link in the activity leads to the file that was converted.
    """
    path = samples.sample(POINTS[RECORD_POINT], "incoming")["path"]
    link = samples.sample(POINTS["customize_attach_record_url"], "incoming")

    name = "2025/03/12/external-101-79001234567-20250312-101500-1741763700.31.wav"
    assert path == f"/var/spool/asterisk/monitor/{name}"
    assert link["call_full"]["record"] == f"https://pbx.example.com/records/{name}"
    assert link["DESCRIPTION"].count(link["call_full"]["record"]) == 2


def test_an_old_connector_sends_numbers_as_text_and_the_direction_as_a_number() -> None:
    """
    Before 3.13 the call and its conversation stand at the root.
    """
    request = samples.sample(POINTS["process_client_phone"], "legacy@conversation_accepted")

    picked = ("type", "from", "to", "trunk", "state")
    assert [request["call"][key] for key in picked] == [
        2,
        "+79001234567",
        "73432723033",
        "73432723033",
        "talking",
    ]
    assert [request["conversation"][key] for key in picked] == [
        2,
        "+79001234567",
        "101",
        "73432723033",
        "talking",
    ]


def test_a_scenario_alone_is_its_last_stage() -> None:
    """
    `--sample incoming-missed` is enough: the request is the last that the point is asked in that call.
    """
    point = POINTS["need_registration"]

    assert samples.sample(point, "incoming-missed") == samples.sample(point, "incoming-missed@call_ended")


@pytest.mark.parametrize(
    ("point", "name", "message"),
    [
        (
            "process_task_creation_params",
            "incoming-mised",
            'process_task_creation_params: sample "incoming-mised" does not exist. '
            "There are: incoming-missed, outgoing-unanswered, minimal, ivr.",
        ),
        (
            "process_originate_params",
            "incoming",
            'process_originate_params: sample "incoming" does not exist. There are: minimal, click-to-call.',
        ),
    ],
)
def test_an_unknown_sample_lists_those_that_there_are(point: str, name: str, message: str) -> None:
    """
    The nearest name comes first.
    """
    with pytest.raises(SampleError) as caught:
        samples.sample(POINTS[point], name)

    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["incoming-missed@conversation_accepted", "minimal@call_ended", "incoming@", "", "@"])
def test_a_stage_that_a_call_does_not_come_to_is_unknown(name: str) -> None:
    """
    Nobody accepts a missed call; the minimal request has no stage.
    """
    with pytest.raises(SampleError, match="does not exist"):
        samples.sample(POINTS["process_client_phone"], name)
    with pytest.raises(SampleError, match="does not exist"):
        samples.describe(name)


@pytest.mark.parametrize(("point", "name"), ALL)
def test_every_sample_is_described_in_one_line(point: str, name: str) -> None:
    """
    A description is a sentence or two that fit on a line.
    """
    line = samples.describe(name)

    assert line.endswith(".")
    assert "\n" not in line
    assert len(line) <= 150


def test_a_description_tells_the_call_and_the_stage() -> None:
    """
    With a stage, the description says when in the call the connector asks.
    """
    assert samples.describe("ivr") == ("An unknown number hangs up in the voice menu, before any extension rings.")
    assert samples.describe("incoming@conversation_accepted") == (
        "A known contact calls; extension 101 answers. Asked when the conversation is answered."
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("phone", {"phone": "new", "user": {"phones": ["101", "102"]}, "lines": {"1.2": {"is_parked": False}}}),
        (
            "user.name",
            {"phone": 5, "user": {"phones": ["101", "102"], "name": "new"}, "lines": {"1.2": {"is_parked": False}}},
        ),
        ("user.phones.1", {"phone": 5, "user": {"phones": ["101", "new"]}, "lines": {"1.2": {"is_parked": False}}}),
        (
            "lines.1.2.is_parked",
            {"phone": 5, "user": {"phones": ["101", "102"]}, "lines": {"1.2": {"is_parked": "new"}}},
        ),
        ("lines.1.2", {"phone": 5, "user": {"phones": ["101", "102"]}, "lines": {"1.2": "new"}}),
        (
            "a.b.c",
            {
                "phone": 5,
                "user": {"phones": ["101", "102"]},
                "lines": {"1.2": {"is_parked": False}},
                "a": {"b": {"c": "new"}},
            },
        ),
    ],
)
def test_a_change_sets_one_value(path: str, expected: Json) -> None:
    """
    A path leads through keys, keys with dots of their own, and list indexes; missing keys are created.
    """
    document: Json = {"phone": 5, "user": {"phones": ["101", "102"]}, "lines": {"1.2": {"is_parked": False}}}

    samples.change(document, path, "new")

    assert document == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("phone.area", 'set "phone.area": phone is "101" and has nothing inside; set phone itself.'),
        ("user.entity.id", 'set "user.entity.id": user.entity is null and has nothing inside; set user.entity itself.'),
        (
            "user.phones.2",
            'set "user.phones.2": user.phones is a list with indexes 0 to 1, not 2; or set user.phones itself.',
        ),
        (
            "user.phones.-1",
            'set "user.phones.-1": user.phones is a list with indexes 0 to 1, not -1; or set user.phones itself.',
        ),
        ("none.0", 'set "none.0": none is a list with no items, not 0; or set none itself.'),
        ("", 'set "": a path is keys with one dot between them, for example call_full.is_ivr.'),
        ("user..id", 'set "user..id": a path is keys with one dot between them, for example call_full.is_ivr.'),
    ],
)
def test_an_impossible_change_says_what_is_there(path: str, message: str) -> None:
    """
    A path that leads nowhere names the place where it ends and what stands there; nothing was changed.
    """
    document: Json = {"phone": "101", "user": {"phones": ["101", "102"], "entity": None}, "none": []}

    with pytest.raises(SampleError) as caught:
        samples.change(document, path, 1)

    assert str(caught.value) == message
    assert document == {"phone": "101", "user": {"phones": ["101", "102"], "entity": None}, "none": []}


def test_changes_are_laid_over_a_copy_in_their_order() -> None:
    """
    A later change may build on an earlier one; neither the document nor the values are shared.
    """
    document: Json = {"USER_ID": 5, "call_full": {"entity": None}}
    entity = {"id": "42"}

    changed = samples.laid_over(document, {"call_full.entity": entity, "call_full.entity.id": "43", "USER_ID": 8})

    assert changed == {"USER_ID": 8, "call_full": {"entity": {"id": "43"}}}
    assert document == {"USER_ID": 5, "call_full": {"entity": None}}
    assert entity == {"id": "42"}


@settings(max_examples=200)
@given(path=st.text(alphabet="ab.01", max_size=8), value=st.sampled_from([None, 1, [], {"a": 1}]))
def test_any_path_is_set_or_refused_whole(path: str, value: Json) -> None:
    """
    Whatever the path: afterwards the value stands there, or the document is as it was.
    """
    before: Json = {"a": {"b": [1, {"a": 2}], "0.1": None}, "b": "text", "0": []}
    document = parse(dump(before))

    try:
        samples.change(document, path, value)
    except SampleError:
        assert document == before
    else:
        after = parse(dump(document))
        samples.change(after, path, value)
        assert after == document
        samples.change(after, path, "other")
        assert after != document


@pytest.mark.parametrize(("point", "name"), ALL)
def test_every_sample_is_a_request_without_a_warning(point: str, name: str) -> None:
    """
    The contract finds nothing to say against any sample.
    """
    request = samples.sample(POINTS[point], name)

    read = contract.read_request(POINTS[point], request)

    assert read.warnings == ()
    assert read.raw == request
    assert contract.violations(point, "request", request) == []
