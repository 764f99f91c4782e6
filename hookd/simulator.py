"""
One whole call, point after point: what the connector asks next, and what of a reply it goes on with.

    begin → next_step → (the hook's run) → after → next_step → … → None

Nothing is run here. A state is a value; `next_step` reads it, `after` returns the one that a reply leads to. In which
order the connector asks is documented by stages only; within a stage it is taken to be the order of the tables below.
What was decided is kept: a number that a hook changed is the one that is registered, a call that need_registration
refused is not registered, a cancelled request leaves out what would have followed from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from hookd import samples
from hookd.documents import Json
from hookd.points import POINTS, RECORD_POINT, Point
from hookd.samples.form import Call, employee
from hookd.samples.moments import BEFORE_LOOKUP, Moment, is_asked
from hookd.samples.requests import document
from hookd.samples.scenarios import Document, Scenario

_LOOK_UPS = ("process_user_phone", "process_client_phone", "need_registration")
_REGISTRATION = ("process_registration_params", "post_registration")
_CARD = ("customize_show_call_card",)
_CLOSING = (
    RECORD_POINT,
    "process_final_params",
    "customize_attach_record_url",
    "customize_activity",
    "customize_entity",
    "process_task_creation_params",
)
_STAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "conversation_requested": (*_LOOK_UPS, *_REGISTRATION, *_CARD),
        "conversation_accepted": (*_LOOK_UPS, *_CARD),
        "conversation_ended": (*_LOOK_UPS, *_CARD),
        "call_ended": (*_LOOK_UPS, *_REGISTRATION, *_CARD, *_CLOSING),
    }
)
_OPEN, _DONE, _CANCELLED = "open", "done", "cancelled"


@dataclass(frozen=True, slots=True)
class Ask:
    """
    One question of the connector, if it comes to that.

    Attributes:
        stage: "" before there is a conversation.
        told: Index of the conversation that it is about.
        at_s: Seconds from the start of the call.
    """

    point: str
    stage: str
    told: int
    at_s: int

    @property
    def moment(self) -> tuple[str, int]:
        """What belongs together: one stage of one conversation."""
        return self.stage, self.told


@dataclass(frozen=True, slots=True)
class Step:
    """
    What happens next.

    Attributes:
        place: Of the question in the call.
        extension: Whose conversation it is about; "" if nobody's.
        now: ISO time of the question.
        request: What is asked; None where it is not.
        why_not: Why a hook's decision leaves the question out; "" where it is asked.
    """

    place: int
    point: Point
    stage: str
    extension: str
    now: str
    request: Json
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class CrmRequest:
    """What the CRM gets: the name of a REST method, and what is sent with it."""

    method: str
    data: Json


@dataclass(frozen=True, slots=True)
class State:
    """
    How far the call has come, and what was decided.

    Attributes:
        scenario: The call as it is now: with the numbers and employees that replies have put into it.
        place: Of the next question.
        registration: Whether the CRM knows the call: open, done or cancelled.
        registered_in: The moment in which it was registered.
        closing: Whether the CRM was told that the call is over: open, done or cancelled.
        closed_by: USER_ID with which it was told so.
        refused_in: The moment in which need_registration said no.
        has_client: Whether a client that the CRM knows was looked up.
        has_created: Whether the registration creates a client that it does not know.
        path: Of the recording.
        decisions: What need_registration said, by conversation.
        crm: What the CRM got, in order.
    """

    call: Call
    scenario: Scenario
    place: int = 0
    registration: str = _OPEN
    registered_in: tuple[str, int] | None = None
    closing: str = _OPEN
    closed_by: Json = None
    refused_in: tuple[str, int] | None = None
    has_client: bool = False
    has_created: bool = True
    path: Json = None
    decisions: tuple[tuple[int, str, bool], ...] = ()
    crm: tuple[CrmRequest, ...] = ()


def begin(call: Call) -> State:
    """
    Return the state before the first question of *call*.
    """
    scenario = replace(call.scenario, responsible=call.scenario.owner)
    if not scenario.is_click_to_call:
        return State(call, scenario)
    # The CRM registers what is clicked in it, and knows who it is.
    first = ("conversation_requested", 0)
    return State(call, scenario, registration=_DONE, registered_in=first, has_client=True)


def next_step(state: State) -> Step | None:
    """
    Return what happens next; None when the call is over.

    Raises:
        SampleError: A path of the call's `set` leads nowhere in this request.
    """
    for place, ask in enumerate(_asks(state.scenario)):
        if place < state.place:
            continue
        why_not = _why_not(state, ask)
        if why_not is not None:
            return _step(state, place, ask, why_not)
    return None


def after(state: State, step: Step, reply: Json = None) -> State:
    """
    Return what *state* becomes by the *reply* to *step*; without one where the question was left out.
    """
    ask = _asks(state.scenario)[step.place]
    state = replace(state, place=step.place + 1)
    carry = _CARRIED.get(ask.point)
    if step.why_not or carry is None:
        return state
    return carry(state, ask, reply.get("data"))


def flips(state: State) -> list[str]:
    """
    Return for each conversation of which need_registration said both yes and no, a sentence about it.
    """
    found = []
    for told in sorted({told for told, _, _ in state.decisions}):
        said = [(stage, result) for index, stage, result in state.decisions if index == told]
        if len({result for _, result in said}) > 1:
            shown = ", ".join(f"{'true' if result else 'false'} at {stage}" for stage, result in said)
            whose = f" of {_extension(state.scenario, told)}" if state.scenario.conversations else ""
            found.append(
                f"need_registration changes its mind within the conversation{whose}: {shown}. "
                "It is asked up to four times; answer the same each time."
            )
    return found


# ---- what is asked, and when -----------------------------------------------------------------------------------


def _asks(scenario: Scenario) -> list[Ask]:
    """Return every question that a call like this may come to, in the order of the connector."""
    found = [Ask("process_originate_params", "", 0, 0), Ask("customize_autodistribution", "", 0, 0)]
    for at_s, told, stage in _moments(scenario):
        points = _STAGES[stage]
        if scenario.is_click_to_call and (stage, told) == ("conversation_requested", 0):
            points = ("post_registration", *(point for point in points if point != "post_registration"))
        found += [Ask(point, stage, told, at_s) for point in points]
    return [ask for ask in found if is_asked(POINTS[ask.point], scenario)]


def _moments(scenario: Scenario) -> list[tuple[int, int, str]]:
    found = []
    for told, conversation in enumerate(scenario.conversations):
        span = conversation.span
        found.append((span.starts_s, told, "conversation_requested"))
        if span.answers_s is not None:
            found.append((span.answers_s, told, "conversation_accepted"))
        found.append((span.ends_s, told, "conversation_ended"))
    in_time = sorted(found, key=lambda each: (each[0], tuple(_STAGES).index(each[2]), each[1]))
    return [*in_time, (scenario.ends_s, scenario.told, "call_ended")]


def _why_not(state: State, ask: Ask) -> str | None:
    """Return "" where it is asked, why a decision leaves it out, or None where there is nothing to tell of it."""
    if ask.stage == "" or ask.point in _LOOK_UPS:
        return ""
    if ask.point == "post_registration" and state.scenario.is_click_to_call:
        return "" if state.registered_in == ask.moment else None
    if ask.point in _REGISTRATION and state.registration == _DONE:
        return "" if ask.point == "post_registration" and state.registered_in == ask.moment else None
    if ask.point == "customize_attach_record_url" and not state.call.is_link:
        return None
    if state.refused_in == ask.moment:
        return "need_registration said no"
    return _missing(state, ask.point)


def _missing(state: State, point: str) -> str:
    """Return what *point* would need and an earlier decision has left out."""
    if state.registration == _CANCELLED:
        return "process_registration_params cancelled the registration"
    if point == "process_registration_params":
        return ""
    if state.registration != _DONE:
        return "the call is not registered"
    if point in ("customize_attach_record_url", "customize_activity") and state.closing != _DONE:
        return "process_final_params cancelled the end of the call, so it has no activity"
    if point == "customize_entity" and not _has_entity(state):
        return "the call has no lead or contact: CRM_CREATE was 0"
    return ""


def _has_entity(state: State) -> bool:
    if state.scenario.client.is_new:
        return state.registration == _DONE and state.has_created
    return state.has_client


def _step(state: State, place: int, ask: Ask, why_not: str) -> Step:
    scenario, point = state.scenario, POINTS[ask.point]
    return Step(
        place,
        point,
        ask.stage,
        _extension(scenario, ask.told),
        scenario.second(ask.at_s).isoformat(),
        None if why_not else _request(state, ask, point),
        why_not,
    )


def _extension(scenario: Scenario, told: int) -> str:
    return scenario.conversations[told].user.extension if scenario.conversations else ""


def _request(state: State, ask: Ask, point: Point) -> Document:
    is_before_look_up = ask.stage == "conversation_requested" and point.name in BEFORE_LOOKUP
    moment = Moment(
        ask.stage,
        ask.at_s,
        ask.told,
        has_user=not is_before_look_up,
        has_entity=_has_entity(state),
        is_registered=state.registration == _DONE,
    )
    request = document(point, state.scenario, moment)
    if state.closed_by is not None and "activity" in request:
        request["activity"] = _closed_by(request["activity"], state.closed_by)
    return samples.laid_over(request, state.call.sets.get(point.name, {}))


def _closed_by(activity: Document, user_id: Json) -> Document:
    """Return the activity as the CRM has it once the call was closed with *user_id*."""
    if str(user_id) == activity["responsible_id"]:
        return activity
    raw = {**activity["raw"], "RESPONSIBLE_ID": str(user_id)}
    responsible = {"id": user_id, "phones": [], "name": "", "email": "", "position": ""}
    return {**activity, "raw": raw, "responsible": responsible, "responsible_id": str(user_id)}


# ---- what is carried forward -----------------------------------------------------------------------------------

_Carry = Callable[[State, Ask, Json], State]


def _originated(state: State, ask: Ask, data: Json) -> State:
    """What the PBX dials is what it tells of afterwards."""
    return replace(state, scenario=replace(state.scenario, number=str(data.get("extension", state.scenario.number))))


def _distributed(state: State, ask: Ask, data: Json) -> State:
    """A number rings that one instead of those that would have rung first; without one the dial plan decides."""
    number, scenario = str(data.get("number", "")), state.scenario
    first = scenario.conversations[0].span.starts_s
    ringing = [one for one in scenario.conversations if one.span.starts_s == first]
    if not number or [one.user.extension for one in ringing] == [number]:
        return state
    answering = next((one for one in ringing if one.span.answers_s is not None), ringing[0])
    routed = (replace(answering, user=employee(number)), *scenario.conversations[len(ringing) :])
    told = max(0, scenario.told - len(ringing) + 1)
    return replace(state, scenario=replace(scenario, conversations=routed, told=told))


def _user_found(state: State, ask: Ask, data: Json) -> State:
    """A changed number finds another employee; the extension stays the one that rings."""
    conversations = list(state.scenario.conversations)
    one = conversations[ask.told]
    number = str(data.get("phone", one.user.extension))
    if number == one.user.extension:
        return state
    found = replace(employee(number), extension=one.user.extension)
    conversations[ask.told] = replace(one, user=found)
    return replace(state, scenario=replace(state.scenario, conversations=tuple(conversations)))


def _client_found(state: State, ask: Ask, data: Json) -> State:
    number = str(data.get("phone", state.scenario.number))
    customized = "" if number == state.scenario.number else number
    return replace(state, has_client=True, scenario=replace(state.scenario, customized=customized))


def _decided(state: State, ask: Ask, data: Json) -> State:
    is_needed = data.get("result") is not False
    decisions = (*state.decisions, (ask.told, ask.stage, is_needed))
    return replace(state, decisions=decisions, refused_in=None if is_needed else ask.moment)


def _registered(state: State, ask: Ask, data: Json) -> State:
    if not data:
        return replace(state, registration=_CANCELLED)
    state = replace(
        state,
        registration=_DONE,
        registered_in=ask.moment,
        has_created=str(data.get("CRM_CREATE", 1)) in ("1", "True"),
    )
    return _sent(state, "telephony.externalCall.register", data)


def _card_shown(state: State, ask: Ask, data: Json) -> State:
    return _sent(state, "telephony.externalCall.show", data)


def _record_found(state: State, ask: Ask, data: Json) -> State:
    return replace(state, path=next(iter(data.values()), None))


def _closed(state: State, ask: Ask, data: Json) -> State:
    if not data:
        return replace(state, closing=_CANCELLED)
    state = _sent(replace(state, closing=_DONE, closed_by=data.get("USER_ID")), "telephony.externalCall.finish", data)
    if state.path is None or state.call.is_link:
        return state
    record = {"CALL_ID": data.get("CALL_ID"), "FILENAME": state.path}
    return _sent(state, "telephony.externalCall.attachRecord", record)


def _activity_written(state: State, ask: Ask, data: Json) -> State:
    return _sent(state, "crm.activity.update", data)


def _entity_written(state: State, ask: Ask, data: Json) -> State:
    return _sent(state, f"crm.{state.scenario.client.type}.update", data)


def _task_added(state: State, ask: Ask, data: Json) -> State:
    return _sent(state, "tasks.task.add", data)


def _sent(state: State, method: str, data: Json) -> State:
    """Empty data is «do not send this»."""
    return replace(state, crm=(*state.crm, CrmRequest(method, data))) if data else state


_CARRIED: Mapping[str, _Carry] = MappingProxyType(
    {
        "process_originate_params": _originated,
        "customize_autodistribution": _distributed,
        "process_user_phone": _user_found,
        "process_client_phone": _client_found,
        "need_registration": _decided,
        "process_registration_params": _registered,
        "customize_show_call_card": _card_shown,
        RECORD_POINT: _record_found,
        "process_final_params": _closed,
        "customize_attach_record_url": _activity_written,
        "customize_activity": _activity_written,
        "customize_entity": _entity_written,
        "process_task_creation_params": _task_added,
    }
)
