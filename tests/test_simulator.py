"""
One call through all points: what is asked, what is carried forward, what the CRM gets.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hookd import contract, samples, simulator
from hookd.documents import Json
from hookd.errors import SampleError
from hookd.points import POINTS
from hookd.samples import form
from hookd.simulator import State, Step

COMMAND_S = 120.0

# What a hook changes: point → the reply's data from the step.
Hooks = Mapping[str, Callable[[Step], Json]]

REGISTER, SHOW, FINISH = (f"telephony.externalCall.{name}" for name in ("register", "show", "finish"))


def played(name: str, hooks: Hooks | None = None, **described: Json) -> tuple[list[Step], State]:
    """Return the steps of a call with *hooks*, and how it ended."""
    state = simulator.begin(form.read(name, {"like": name, **described}))
    steps = []
    while step := simulator.next_step(state):
        steps.append(step)
        reply = None if step.why_not else contract.envelope(answered(step, hooks or {}))
        state = simulator.after(state, step, reply)
    return steps, state


def answered(step: Step, hooks: Hooks) -> Json:
    unchanged = contract.unchanged(contract.read_request(step.point, step.request))
    return hooks[step.point.name](step) if step.point.name in hooks else unchanged


def asked(steps: list[Step], stage: str, extension: str = "101") -> list[str]:
    """Return the points that were asked at *stage* of the conversation with *extension*."""
    found = [step for step in steps if (step.stage, step.extension) == (stage, extension) and not step.why_not]
    return [step.point.name for step in found]


def left_out(steps: list[Step]) -> dict[str, str]:
    """Return why points were not asked, by point; the last word on each."""
    return {step.point.name: step.why_not for step in steps if step.why_not}


def methods(state: State) -> list[str]:
    return [request.method for request in state.crm]


def request(steps: list[Step], point: str, stage: str = "") -> Json:
    """Return the first request of *point*, at *stage*."""
    return next(step.request for step in steps if step.point.name == point and stage in ("", step.stage))


# ---- order and stages ------------------------------------------------------------------------------------------

LOOK_UPS = ["process_user_phone", "process_client_phone", "need_registration"]
CARD = "customize_show_call_card"
REQUESTED = [*LOOK_UPS, "process_registration_params", "post_registration", CARD]
CLOSING = [
    "process_final_params",
    "customize_attach_record_url",
    "customize_activity",
    "customize_entity",
]


def test_an_answered_call_goes_through_its_stages() -> None:
    """
    The connector asks at each stage in its order; the call is registered once, and closed at its end.
    """
    steps, state = played("answered")

    assert steps[0].point.name == "customize_autodistribution"
    assert asked(steps, "conversation_requested") == REQUESTED
    assert asked(steps, "conversation_accepted") == [*LOOK_UPS, CARD]
    assert asked(steps, "conversation_ended") == [*LOOK_UPS, CARD]
    assert asked(steps, "call_ended") == [*LOOK_UPS, CARD, "process_record_file_path", *CLOSING]
    assert left_out(steps) == {}
    assert methods(state) == [REGISTER, SHOW, SHOW, SHOW, SHOW, FINISH, "crm.activity.update"]


def test_a_missed_call_ends_in_a_task() -> None:
    """
    Nobody accepted it, nothing was recorded; a task is made.
    """
    steps, state = played("missed")

    assert asked(steps, "conversation_accepted") == []
    assert asked(steps, "call_ended")[4:] == [
        "process_final_params",
        "customize_activity",
        "customize_entity",
        "process_task_creation_params",
    ]
    assert methods(state) == [REGISTER, SHOW, SHOW, SHOW, FINISH, "tasks.task.add"]


def test_a_call_that_ends_in_the_menu_is_registered_at_its_end() -> None:
    """
    Missed in the voice menu: registered and closed at call_ended; no extension, so no employee and no card.
    """
    steps, state = played("ivr-missed")

    assert {step.stage for step in steps} == {"call_ended"}
    assert asked(steps, "call_ended", "")[:4] == [
        "process_client_phone",
        "need_registration",
        "process_registration_params",
        "post_registration",
    ]
    assert methods(state) == [REGISTER, FINISH, "tasks.task.add"]


def test_a_click_is_registered_by_the_crm() -> None:
    """
    What is clicked is dialled first; post_registration is asked at once, and nothing is registered.
    """
    steps, state = played("click-to-call")

    assert steps[0].point.name == "process_originate_params"
    assert asked(steps, "conversation_requested") == ["post_registration", *LOOK_UPS, CARD]
    assert methods(state) == [SHOW, SHOW, SHOW, SHOW, FINISH, "crm.activity.update"]


def test_every_conversation_has_its_stages() -> None:
    """
    A transfer asks of both employees one after another, a queue of all that ring; the call is registered once.
    """
    transfer, _ = played("transfer")
    queue, state = played("queue")

    stages = [(step.stage, step.extension) for step in transfer if step.point.name == "need_registration"]
    assert stages == [
        ("conversation_requested", "101"),
        ("conversation_accepted", "101"),
        ("conversation_ended", "101"),
        ("conversation_requested", "102"),
        ("conversation_accepted", "102"),
        ("conversation_ended", "102"),
        ("call_ended", "102"),
    ]
    rings = [step.extension for step in queue if step.stage == "conversation_requested"]
    assert list(dict.fromkeys(rings)) == ["101", "102", "103"]
    assert methods(state).count(REGISTER) == 1


def test_a_file_goes_up_instead_of_a_link() -> None:
    """
    Where the connector attaches the file, nothing asks about the link, and the CRM gets what the hook made of the path.
    """
    steps, state = played("answered", {"process_record_file_path": lambda step: {"path": "/tmp/1.mp3"}}, record="file")

    assert "customize_attach_record_url" not in asked(steps, "call_ended")
    attached = {request.method: request.data for request in state.crm}["telephony.externalCall.attachRecord"]
    assert attached["FILENAME"] == "/tmp/1.mp3"


@pytest.mark.parametrize("name", form.CALLS)
def test_every_request_of_a_call_is_one_that_hookd_takes(name: str) -> None:
    """
    Unchanged, every call goes through to its end, with requests that have no warning; all 14 points come up somewhere.
    """
    steps, _ = played(name)

    assert [contract.read_request(step.point, step.request).warnings for step in steps] == [()] * len(steps)
    assert [step.now for step in steps] == sorted(step.now for step in steps)


def test_all_points_come_up() -> None:
    """
    There is no point that no call gets to.
    """
    assert {step.point.name for name in form.CALLS for step in played(name)[0]} == set(POINTS)


# ---- what is carried forward -----------------------------------------------------------------------------------


def test_a_changed_client_number_is_what_is_registered() -> None:
    """
    The PBX keeps its number, at every stage anew; the CRM hears of the customized one.
    """
    steps, state = played("missed", {"process_client_phone": lambda step: {"phone": "9001234567"}})

    numbers = [step.request["phone"] for step in steps if step.point.name == "process_client_phone"]
    assert numbers == [samples.CLIENT_NUMBER] * 3
    assert state.crm[0].data["PHONE_NUMBER"] == "9001234567"
    assert state.crm[-1].data["fields"]["TITLE"] == "Пропущенный звонок от 9001234567"
    call = request(steps, "customize_entity")["call_full"]
    assert (call["channel"]["from"], call["entity"]["phones"]) == (
        {"number": samples.CLIENT_NUMBER},
        ["9001234567"],
    )


def test_a_changed_extension_finds_another_employee() -> None:
    """
    The number that process_user_phone gives is looked up: it is that employee's call, on the phone that rings.
    """
    steps, state = played("answered", {"process_user_phone": lambda step: {"phone": "103"}})
    _, nobody = played("answered", {"process_user_phone": lambda step: {"phone": "777"}})

    assert (state.crm[0].data["USER_ID"], state.crm[1].data["USER_ID"]) == (12, 12)
    asked_again = [step.request["phone"] for step in steps if step.point.name == "process_user_phone"]
    assert asked_again == ["101"] * 4
    assert nobody.crm[0].data["USER_ID"] == 1


def test_what_is_dialled_is_what_the_pbx_tells_of() -> None:
    """
    A prefix that process_originate_params adds arrives at process_client_phone, where it is cut again.
    """
    hooks: Hooks = {
        "process_originate_params": lambda step: {**step.request, "extension": "989001234567"},
        "process_client_phone": lambda step: {"phone": step.request["phone"][1:]},
    }

    steps, _ = played("click-to-call", hooks)

    assert request(steps, "process_client_phone")["phone"] == "989001234567"
    call = request(steps, "customize_entity")["call_full"]
    assert (call["channel"]["to"]["number"], call["entity"]["phones"]) == ("989001234567", ["89001234567"])


def test_autodistribution_decides_who_rings() -> None:
    """
    A number rings that extension alone, instead of a whole queue; an empty one leaves the route.
    """
    answered_, state = played("answered", {"customize_autodistribution": lambda step: {"number": "103", "name": ""}})
    queue, _ = played("queue", {"customize_autodistribution": lambda step: {"number": "777", "name": ""}})
    empty, _ = played("answered", {"customize_autodistribution": lambda step: {"number": "", "name": ""}})

    assert {step.extension for step in answered_[1:]} == {"103"}
    assert (state.crm[0].data["USER_ID"], state.crm[0].method) == (12, REGISTER)
    assert {step.extension for step in queue[1:]} == {"777"}
    assert {step.extension for step in empty[1:]} == {"101"}


def test_what_is_refused_everywhere_never_reaches_the_crm() -> None:
    """
    `result: false` at every stage: no registration, no card, no end; each is told to be left out, and why.
    """
    steps, state = played("missed", {"need_registration": lambda step: {"result": False}})

    assert state.crm == ()
    assert simulator.flips(state) == []
    assert set(left_out(steps).values()) == {"need_registration said no"}
    assert asked(steps, "call_ended") == LOOK_UPS


def test_a_change_of_mind_is_told() -> None:
    """
    Refused while it rings and wanted at the end: the call is registered then, and the hook is said to be unsteady.
    """
    hooks: Hooks = {"need_registration": lambda step: {"result": step.stage == "call_ended"}}

    steps, state = played("missed", hooks)

    assert methods(state) == [REGISTER, SHOW, FINISH, "tasks.task.add"]
    assert asked(steps, "call_ended")[:6] == REQUESTED
    assert simulator.flips(state) == [
        "need_registration changes its mind within the conversation of 101: false at conversation_requested, false at "
        "conversation_ended, true at call_ended. It is asked up to four times; answer the same each time."
    ]


def test_a_transfer_is_registered_where_it_is_first_wanted() -> None:
    """
    A blacklisted extension hands over to one that is not: the call is registered with the second.
    """
    steps, state = played("transfer", {"need_registration": lambda step: {"result": step.extension != "101"}})

    assert asked(steps, "conversation_requested", "102") == REQUESTED
    assert [request.data["USER_ID"] for request in state.crm if request.method == REGISTER] == [8]


def test_a_cancelled_registration_leaves_out_what_needs_it() -> None:
    """
    Empty data at process_registration_params: the number look-ups go on, everything of the CRM is left out.
    """
    steps, state = played("answered", {"process_registration_params": lambda step: {}})

    assert state.crm == ()
    assert set(left_out(steps).values()) == {"process_registration_params cancelled the registration"}
    assert asked(steps, "call_ended") == LOOK_UPS


def test_a_cancelled_end_leaves_no_activity() -> None:
    """
    Empty data at process_final_params: the lead may still be written, the activity not.
    """
    steps, state = played("answered", {"process_final_params": lambda step: {}})

    why = "process_final_params cancelled the end of the call, so it has no activity"
    assert left_out(steps) == {"customize_attach_record_url": why, "customize_activity": why}
    assert methods(state) == [REGISTER, SHOW, SHOW, SHOW, SHOW]
    assert asked(steps, "call_ended")[-1] == "customize_entity"


def test_an_unknown_client_that_is_not_created_stays_unknown() -> None:
    """
    CRM_CREATE 0: there is no lead in the call, none to write to, and none in the task.
    """
    hooks: Hooks = {"process_registration_params": lambda step: {**step.request, "CRM_CREATE": 0}}

    steps, state = played("missed", hooks)

    call = request(steps, "process_task_creation_params")["call_full"]
    assert (call["entity"], call["registration"]["CRM_CREATED_LEAD"]) == (None, None)
    assert left_out(steps) == {"customize_entity": "the call has no lead or contact: CRM_CREATE was 0"}
    assert state.crm[-1].data["fields"]["UF_CRM_TASK"] == []


def test_who_closes_the_call_is_responsible_for_its_activity() -> None:
    """
    USER_ID of process_final_params is what customize_activity sees; cancelled cards are not shown.
    """
    hooks: Hooks = {
        "process_final_params": lambda step: {**step.request, "USER_ID": 99},
        "customize_show_call_card": lambda step: {},
        "customize_activity": lambda step: {"SUBJECT": "x"},
        "customize_entity": lambda step: {"COMMENTS": "y"},
    }

    steps, state = played("missed", hooks)

    activity = request(steps, "customize_activity")["activity"]
    assert (activity["responsible_id"], activity["raw"]["RESPONSIBLE_ID"]) == ("99", "99")
    assert methods(state) == [REGISTER, FINISH, "crm.activity.update", "crm.lead.update", "tasks.task.add"]


# ---- a call of one's own ---------------------------------------------------------------------------------------


def test_a_form_describes_a_call() -> None:
    """
    Numbers, time, employees and single values of requests are the form's; a time may have an offset.
    """
    steps, state = played(
        "answered",
        client_number=89001112233,
        client="unknown",
        trunk="74950000000",
        starts="2026-03-07T20:15:00+01:00",
        ends_s=40,
        conversations=[
            {"extension": "201", "rings_s": 1, "ends_s": 20, "user_id": 17},
            {"extension": "101", "rings_s": 21, "ends_s": 39},
        ],
        set={"process_final_params": {"STATUS_CODE": "486"}},
    )

    assert steps[1].now == "2026-03-07T22:15:01+03:00"
    assert state.crm[0].data == {
        "CALL_START_DATE": "2026-03-07T22:15:00+03:00",
        "CRM_CREATE": 1,
        "CRM_SOURCE": "CALL",
        "LINE_NUMBER": "74950000000",
        "PHONE_NUMBER": "89001112233",
        "SHOW": 0,
        "TYPE": 2,
        "USER_ID": 17,
    }
    [finish] = [request.data for request in state.crm if request.method == FINISH]
    assert (finish["STATUS_CODE"], finish["DURATION"], finish["USER_ID"]) == ("486", 0, 17)


@pytest.mark.parametrize(
    ("described", "faults"),
    [
        ([], [f"a call is a JSON object. Keys: {', '.join(form.KEYS)}."]),
        (
            {"like": "answred", "status": 5, "sett": 1},
            [
                f'like: "answred" is none of this: {form.KEYS["like"][1]}.',
                f"status: 5 is none of this: {form.KEYS['status'][1]}.",
                f"sett: there is no such key; did you mean set? Keys: {', '.join(form.KEYS)}.",
            ],
        ),
        (
            {"conversations": [{"extension": "101", "rings": 2, "ends_s": -1}], "set": {"need_registratio": {}}},
            [
                "conversations.0.rings: there is no such key; did you mean rings_s? "
                "Keys: extension, rings_s, answers_s, ends_s, user_id.",
                "conversations.0.ends_s: -1 is none of this: when it ends.",
                "conversations.0.rings_s is missing: when it rings, in whole seconds from the start of the call.",
                "set.need_registratio: there is no such point; did you mean need_registration? "
                f"Points: {', '.join(POINTS)}.",
            ],
        ),
        (
            {"conversations": [{"extension": "101", "rings_s": 5, "answers_s": 3, "ends_s": 900}]},
            [
                "conversations.0: rings_s 5, answers_s 3, ends_s 900, and the call's own ends_s 195: each has to be at "
                "or after the one before. Set ends_s of the call, if that is too early."
            ],
        ),
        (
            {"like": "outgoing", "conversations": []},
            ["conversations: a call that is made has one; only a caller in the voice menu has none."],
        ),
    ],
)
def test_a_wrong_form_is_told_all_at_once(described: Json, faults: list[str]) -> None:
    """
    Every fault has its place, and what is allowed there.
    """
    with pytest.raises(SampleError) as caught:
        form.read("my.json", described)

    assert str(caught.value).splitlines() == [f"my.json: {fault}" for fault in faults]


# ---- the command -----------------------------------------------------------------------------------------------

PHONE = 'def process_client_phone(request):\n    print("asked")\n    return {"phone": request["phone"][-10:]}\n'


def hookd(directory: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "hookd", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        env={**os.environ, "HOOKD_CONFIG": ""},
    )
    return done.returncode, re.sub(r"\d+\.\d+ ms", "N ms", done.stdout), done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "hooks").mkdir()
    return tmp_path


def test_simulate_shows_each_step_and_what_the_crm_gets(place: Path) -> None:
    """
    Steps under their moment, with what a hook changed and printed; at the end the CRM's requests.
    """
    (place / "hooks" / "process_client_phone.py").write_text(PHONE)

    code, out, err = hookd(place, "simulate", "ivr-missed")

    assert (code, err) == (0, "")
    assert out.splitlines()[:9] == [
        "ivr-missed: An unknown number hangs up in the voice menu, before any extension rings.",
        "",
        "14:08:51 call_ended",
        "  process_client_phone          ok  N ms",
        '    /data/phone: "+79001234567" → "9001234567"',
        "    print: asked",
        "  need_registration             unchanged (no_hook)",
        "  process_registration_params   unchanged (no_hook)",
        "  post_registration             unchanged (no_hook)",
    ]
    assert out.splitlines()[-4] == "The CRM gets:"
    assert '"PHONE_NUMBER":"9001234567"' in out.splitlines()[-3]


def test_simulate_stops_the_hooks_clock_at_the_call(place: Path) -> None:
    """
    A hook that asks for the time is told the call's, so that the same call is the same tomorrow.
    """
    hook = "def process_client_phone(request, clock):\n    print(clock.iso())\n"
    (place / "hooks" / "process_client_phone.py").write_text(hook)

    _, out, _ = hookd(place, "simulate", "ivr-missed", "--set", "starts=2026-03-07T22:15:00")

    assert "    print: 2026-03-07T19:15:21+00:00" in out.splitlines()


def test_simulate_fails_where_a_hook_does(place: Path) -> None:
    """
    Exit 1, the error once although it came at every stage; the call goes on with the connector's own values.
    """
    (place / "hooks" / "process_client_phone.py").write_text("def process_client_phone(request):\n    return 5 / 0\n")

    code, out, err = hookd(place, "simulate", "missed")

    assert code == 1
    assert out.count("  process_client_phone          fallback (error)  N ms") == 3
    assert len(err.splitlines()) == 1
    assert err.startswith("process_client_phone.py:2: ")
    assert "telephony.externalCall.register" in out


def test_simulate_speaks_json(place: Path) -> None:
    """
    A program gets every step with its request and run, and the CRM's requests.
    """
    (place / "hooks" / "need_registration.py").write_text(
        'def need_registration(request):\n    return {"result": False}\n'
    )

    code, out, err = hookd(place, "simulate", "missed", "--format", "json")

    found: dict[str, Any] = json.loads(out)
    assert (code, err, found["call"], found["crm"], found["warnings"]) == (0, "", "missed", [], [])
    step = next(step for step in found["steps"] if step["point"] == "need_registration")
    assert (step["stage"], step["extension"], step["why_not"]) == ("conversation_requested", "101", None)
    assert (step["time"], step["changes"]) == ("2025-03-12T11:40:28+03:00", ["/data/result"])
    assert (step["run"]["outcome"], step["request"]["call_stage"]) == ("ok", "conversation_requested")
    left = next(step for step in found["steps"] if step["point"] == "process_registration_params")
    assert (left["why_not"], left["request"], left["run"]) == ("need_registration said no", None, None)


def test_simulate_takes_a_file(place: Path) -> None:
    """
    A call of one's own stands in a JSON file; --set changes it, or the requests of a point.
    """
    (place / "late.json").write_text('{"like": "ivr-missed", "client_number": "89001112233"}')
    sets = ["--set", "trunk=74950000000", "--set", "process_final_params.STATUS_CODE=486"]

    code, out, err = hookd(place, "simulate", "late.json", *sets)

    assert (code, err, out.partition("\n")[0][:26]) == (0, "", "late.json (ivr-missed): An")
    assert '"LINE_NUMBER":"74950000000","PHONE_NUMBER":"89001112233"' in out
    assert '"STATUS_CODE":486' in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["answred"],
            2,
            "hookd: there is no call and no file 'answred'; did you mean answered? Calls: answered, missed,",
        ),
        (["broken.json"], 1, "broken.json:1: is no JSON: "),
        (["answered", "--set", "trank=5"], 1, "answered: trank: there is no such key; did you mean trunk? Keys: "),
        (["answered", "--set", "process_final_params.CALL_ID.x=5"], 1, 'set "CALL_ID.x": CALL_ID is "externalCall.'),
        (["answered", "--set", "process_final_params.CALL_ID=[]"], 1, "process_final_params at call_ended: /CALL_ID: "),
        ([".", "--set", "process_final_params.CALL_ID=[]"], 2, "hookd: .: cannot be read: Is a directory"),
    ],
)
def test_simulate_tells_what_is_wrong_with_the_call(place: Path, arguments: list[str], code: int, said: str) -> None:
    """
    A call that there is not is usage, one that is wrong is the integrator's; both are told with what is right.
    """
    (place / "broken.json").write_text("{")

    done = hookd(place, "simulate", *arguments)

    assert (done[0], done[1]) == (code, "")
    assert done[2].startswith(said)


# ---- its page --------------------------------------------------------------------------------------------------

PAGE = Path(__file__).parent.parent / "docs" / "simulate.md"


def test_the_page_names_every_call_and_key() -> None:
    """
    docs/simulate.md has all calls and all keys of a form, no others, and its example can be played.
    """
    text = PAGE.read_text("utf-8")
    calls, _, own = text.partition("## What is printed")

    first_cells = [row.split("|")[1] for row in calls.splitlines() if row.startswith("| `")]
    assert [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)] == list(form.CALLS)
    table = own.partition("## A call of your own")[2]
    assert re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE) == list(form.KEYS)
    [example] = re.findall(r"^```json\n(.*?)^```", own, flags=re.MULTILINE | re.DOTALL)
    assert {step.extension for step in played("answered", **json.loads(example))[0]} == {"201", "101"}
