"""
Realistic requests: what a connector asks at each point while one call goes through its stages.

A scenario says only who rings, who answers and when it ends. A moment is one second of that call, with what the
connector has found out by then. Every document is worked out from the two, so that the numbers, ids and times of a
sample agree with one another and with all other samples of the same call.

The vendor documents `call_full` two levels deep. What lies deeper (numbers, users, entities, the registration) and the
root keys of connectors before 3.13 are modelled on the nearest documented thing; hooks read them through `call`, which
bears other shapes too.
"""

import copy
import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from hookd.documents import Json, dump
from hookd.errors import SampleError
from hookd.points import CALL_STAGES, RECORD_POINT, REGISTRATION_STAGES, Point

Document = dict[str, Json]

CLIENT_NUMBER = "+79001234567"
TRUNK = "73432723033"

_DAY = "2025-03-12"  # a Wednesday and no holiday: within anybody's working hours
_ZONE = "+03:00"  # the CRM's times carry it, the connector's do not
_UNSET_TIME = "0001-01-01 00:00:00"  # what the connector writes for «not yet»
_RECORDS_PATH = "/var/spool/asterisk/monitor"
_RECORDS_URL = "https://pbx.example.com/records"
_ACTIVITY_ID = 1501

_STAGE_WORDS = {
    "conversation_requested": "an extension starts ringing",
    "conversation_accepted": "the conversation is answered",
    "conversation_ended": "the conversation is over",
    "call_ended": "the call is over",
}


class Form(StrEnum):
    """How much of a call the connector sends."""

    FULL = "full"  # with call_full, connectors since 3.10
    LEGACY = "legacy"  # with call and conversation instead
    MINIMAL = "minimal"  # nothing but the required keys


@dataclass(frozen=True, slots=True)
class User:
    """An employee; `extension` is "" for somebody without a phone."""

    id: int
    name: str
    extension: str
    email: str
    position: str


IVANOVA = User(5, "Мария Иванова", "101", "ivanova@example.com", "Менеджер")
SIDOROV = User(8, "Павел Сидоров", "102", "sidorov@example.com", "Менеджер")
KUZNETSOVA = User(12, "Анна Кузнецова", "103", "kuznetsova@example.com", "Старший менеджер")
DEFAULT_USER = User(1, "Ольга Смирнова", "", "smirnova@example.com", "Руководитель отдела")  # if nobody rang


@dataclass(frozen=True, slots=True)
class Client:
    """
    The CRM object behind the client's number.

    Attributes:
        type: "contact" or "lead".
        prefix: Of the object's id in the links of tasks.
        owner_type: The CRM's number for the type.
        raw: CRM fields beside ID and ASSIGNED_BY_ID.
        is_new: Whether the call's registration creates it.
    """

    type: str
    id: int
    name: str
    prefix: str
    owner_type: str
    raw: Mapping[str, str]
    is_new: bool = False


CONTACT = Client("contact", 42, "Алексей Петров", "C", "3", {"NAME": "Алексей", "LAST_NAME": "Петров"})
LEAD = Client("lead", 1207, f"Звонок {CLIENT_NUMBER}", "L", "1", {"STATUS_ID": "NEW", "SOURCE_ID": "CALL"}, is_new=True)


@dataclass(frozen=True, slots=True)
class Span:
    """When a line rings, is answered and ends, in seconds from the start of the call; never answered is None."""

    starts_s: int
    ends_s: int
    answers_s: int | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One extension that rings, or from which the call is made."""

    user: User
    span: Span


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One call.

    Attributes:
        name: As in `--sample`.
        summary: One sentence for `hookd samples`.
        starts: Time of day.
        serial: Number of the call's main channel; those of its conversations follow.
        ends_s: Seconds from start to end.
        conversations: In the order in which they ring; none for a caller who hangs up in the voice menu.
        told: Index of the conversation that the stages tell of.
        status: STATUS_CODE at the end.
        cause: Hang-up cause (Q.850) of a line that nobody answered.
        dial_status: Asterisk's DIALSTATUS of such a line.
    """

    name: str
    summary: str
    starts: str
    serial: int
    ends_s: int
    conversations: tuple[Conversation, ...]
    told: int = 0
    client: Client = CONTACT
    status: str = "200"
    cause: int = 16  # normal clearing: the caller hung up
    dial_status: str = "CANCEL"
    is_incoming: bool = True
    is_click_to_call: bool = False
    form: Form = Form.FULL

    @property
    def starts_at(self) -> datetime:
        return datetime.fromisoformat(f"{_DAY}T{self.starts}{_ZONE}")

    @property
    def linkedid(self) -> str:
        return f"{int(self.starts_at.timestamp())}.{self.serial}"

    @property
    def call_id(self) -> str:
        """The CRM's id of the call, in the CRM's form."""
        digest = hashlib.md5(self.linkedid.encode(), usedforsecurity=False).hexdigest()
        return f"externalCall.{digest}.{int(self.starts_at.timestamp())}"

    @property
    def talks(self) -> list[tuple[int, int]]:
        """When each conversation that was answered was so, and its end."""
        spans = (conversation.span for conversation in self.conversations)
        return [(span.answers_s, span.ends_s) for span in spans if span.answers_s is not None]

    @property
    def span(self) -> Span:
        return Span(0, self.ends_s, min((answers_s for answers_s, _ in self.talks), default=None))

    @property
    def is_answered(self) -> bool:
        return bool(self.talks)

    @property
    def duration_s(self) -> int:
        """Seconds from the first answer to the end of the last talk; 0 if nobody answered."""
        starts, ends = zip(*self.talks, strict=True) if self.talks else ((0,), (0,))
        return int(max(ends) - min(starts))

    @property
    def owner(self) -> User:
        """Who is responsible for the client: whom the call reached first."""
        return self.conversations[0].user if self.conversations else DEFAULT_USER

    @property
    def asks_first_s(self) -> int:
        """When the connector asks about the call for the first time."""
        return self.conversations[0].span.starts_s if self.conversations else self.ends_s

    @property
    def stages(self) -> tuple[str, ...]:
        if self.form is Form.MINIMAL:
            return ()
        if not self.conversations:
            return ("call_ended",)
        skipped = "" if self.is_answered else "conversation_accepted"
        return tuple(stage for stage in CALL_STAGES if stage != skipped)

    def second(self, second_s: int) -> datetime:
        return self.starts_at + timedelta(seconds=second_s)


_INCOMING = Scenario(
    "incoming",
    "A known contact calls; extension 101 answers.",
    starts="10:15:00",
    serial=31,
    ends_s=195,
    conversations=(Conversation(IVANOVA, Span(2, 194, 14)),),
)
_OUTGOING = Scenario(
    "outgoing",
    "Extension 101 calls a known contact, who answers.",
    starts="11:02:10",
    serial=47,
    ends_s=97,
    conversations=(Conversation(IVANOVA, Span(1, 96, 18)),),
    is_incoming=False,
)

_TABLE = (
    _INCOMING,
    _OUTGOING,
    Scenario(
        "incoming-missed",
        "An unknown number calls; extension 101 rings, nobody answers, the caller hangs up.",
        starts="11:40:25",
        serial=58,
        ends_s=33,
        conversations=(Conversation(IVANOVA, Span(3, 32)),),
        client=LEAD,
        status="304",
    ),
    Scenario(
        "outgoing-unanswered",
        "Extension 101 calls a known contact, who does not answer.",
        starts="12:05:40",
        serial=63,
        ends_s=46,
        conversations=(Conversation(IVANOVA, Span(1, 45)),),
        status="480",
        cause=19,  # no answer from user; RFC 3398 makes it SIP 480
        dial_status="NOANSWER",
        is_incoming=False,
    ),
    Scenario(
        "transferred",
        "A known contact calls; extension 101 answers and transfers to 102; the stages tell of 102.",
        starts="13:20:05",
        serial=71,
        ends_s=241,
        conversations=(Conversation(IVANOVA, Span(2, 62, 12)), Conversation(SIDOROV, Span(63, 240, 70))),
        told=1,
    ),
    Scenario(
        "ivr",
        "An unknown number hangs up in the voice menu, before any extension rings.",
        starts="14:08:30",
        serial=84,
        ends_s=21,
        conversations=(),
        client=LEAD,
        status="304",
        dial_status="",
    ),
    Scenario(
        "queue",
        "An unknown number calls a queue; 101, 102 and 103 ring, 102 answers.",
        starts="15:31:45",
        serial=92,
        ends_s=128,
        conversations=(
            Conversation(IVANOVA, Span(6, 19)),
            Conversation(SIDOROV, Span(6, 127, 19)),
            Conversation(KUZNETSOVA, Span(6, 19)),
        ),
        told=1,
        client=LEAD,
    ),
    replace(
        _OUTGOING,
        name="click-to-call",
        summary="The user of extension 101 clicks on a contact's number in the CRM; the contact answers.",
        starts="16:12:20",
        serial=105,
        is_click_to_call=True,
    ),
    replace(
        _INCOMING,
        name="legacy",
        summary="incoming, from a connector before 3.13: call and conversation, no call_full.",
        form=Form.LEGACY,
    ),
    replace(
        _INCOMING,
        name="minimal",
        summary="Only the keys without which there is no request.",
        form=Form.MINIMAL,
    ),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({scenario.name: scenario for scenario in _TABLE})


def names(point: Point) -> list[str]:
    """
    Return the names of a point's samples: `scenario@stage`, or `scenario` where the request carries no stage.
    """
    found = []
    for scenario in _TABLE:
        if _is_asked(point, scenario):
            found += [f"{scenario.name}@{stage}" for stage in _stages(point, scenario)] or [scenario.name]
    return found


def default(point: Point) -> str:
    """Return the name of the sample that is taken where none is named."""
    return names(point)[0]


def sample(point: Point, name: str) -> Document:
    """
    Return a request, the caller's own to change.

    Args:
        name: One of `names`, or a scenario alone: then the last stage that the point has in it.

    Raises:
        SampleError: The point has no such sample; lists those that it has, nearest first.
    """
    known = names(point)
    matches = [full for full in known if name in (full, _scenario_of(full))]
    if not matches:
        raise SampleError(_unknown(f"{point.name}: sample", name, known))
    scenario_name, _, stage = matches[-1].partition("@")
    return _document(point, SCENARIOS[scenario_name], stage or CALL_STAGES[-1])


def describe(name: str) -> str:
    """
    Return one line on what happens in a sample, with or without a stage.

    Raises:
        SampleError: There is no such scenario, or it has no such stage.
    """
    scenario_name, at, stage = name.partition("@")
    scenario = SCENARIOS.get(scenario_name)
    if scenario is None:
        raise SampleError(_unknown("scenario", scenario_name, SCENARIOS))
    if not at:
        return scenario.summary
    if stage not in scenario.stages:
        known = [f"{scenario_name}@{known}" for known in scenario.stages]
        raise SampleError(_unknown("sample", name, known or [scenario_name]))
    return f"{scenario.summary} Asked when {_STAGE_WORDS[stage]}."


def change(document: Document, path: str, value: Json) -> None:
    """
    Set one value of a document in place, as `--set a.b=value` does.

    Args:
        path: Keys and list indexes (from 0) with dots between them. A key that has dots itself, such as the id of a
            conversation, is found if it is there. Missing keys of objects are created.
        value: Copied.

    Raises:
        SampleError: The path is empty or leads through something that has no such place; says what is there.
    """
    steps = path.split(".")
    if not all(steps):
        raise SampleError(f'set "{path}": a path is keys with one dot between them, for example call_full.is_ivr.')
    place: Json = document
    done: list[str] = []
    while True:
        key, steps = _step(place, steps, path=path, done=done)
        if not steps:
            place[key] = copy.deepcopy(value)
            return
        place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        done.append(str(key))


def laid_over(document: Document, changes: Mapping[str, Json]) -> Document:
    """
    Return a copy of a document with each path of *changes* set, in their order; for the "set" of a test case.

    Raises:
        SampleError: As `change`.
    """
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        change(changed, path, value)
    return changed


def _step(place: Json, steps: Sequence[str], *, path: str, done: Sequence[str]) -> tuple[str | int, list[str]]:
    """Return the key or index that *steps* begin with at *place*, and the steps after it."""
    where = ".".join(done)
    if isinstance(place, dict):
        joined = (".".join(steps[:length]) for length in range(len(steps), 0, -1))
        key = next((candidate for candidate in joined if candidate in place), steps[0])
        return key, list(steps[key.count(".") + 1 :])
    if not isinstance(place, list):
        raise SampleError(f'set "{path}": {where} is {_shown(place)} and has nothing inside; set {where} itself.')
    if steps[0] in map(str, range(len(place))):
        return int(steps[0]), list(steps[1:])
    items = f"indexes 0 to {len(place) - 1}" if place else "no items"
    raise SampleError(f'set "{path}": {where} is a list with {items}, not {steps[0]}; or set {where} itself.')


def _shown(value: Json) -> str:
    return f"{dump(value).decode():.60}"


def _scenario_of(name: str) -> str:
    return name.partition("@")[0]


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    def likeness(other: str) -> float:
        compared = other if "@" in name else _scenario_of(other)
        return difflib.SequenceMatcher(None, name, compared).ratio()

    nearest_first = sorted(known, key=likeness, reverse=True)
    return f'{what} "{name}" does not exist. There are: {", ".join(nearest_first)}.'


# Where a point is not asked in every call.
_ASKED: Mapping[str, Callable[[Scenario], bool]] = {
    "process_user_phone": lambda call: bool(call.conversations),
    "customize_show_call_card": lambda call: bool(call.conversations),
    # The CRM itself registers what is clicked in it.
    "process_registration_params": lambda call: not call.is_click_to_call,
    "process_originate_params": lambda call: call.is_click_to_call,
    "process_task_creation_params": lambda call: not call.is_answered,
    RECORD_POINT: lambda call: call.is_answered,
    "customize_attach_record_url": lambda call: call.is_answered,
    # The same in every version of the connector, so legacy would repeat incoming.
    "customize_autodistribution": lambda call: (
        call.is_incoming and bool(call.conversations) and call.form is not Form.LEGACY
    ),
}


def _is_asked(point: Point, scenario: Scenario) -> bool:
    asked = _ASKED.get(point.name)
    return scenario.form is Form.MINIMAL or asked is None or asked(scenario)


def _stages(point: Point, scenario: Scenario) -> tuple[str, ...]:
    stages = tuple(stage for stage in scenario.stages if stage in point.stages)
    return stages[:1] if point.stages == REGISTRATION_STAGES else stages  # a call is registered once


@dataclass(frozen=True, slots=True)
class _Moment:
    """
    One second of a call, and what is known by then.

    Attributes:
        told: Index of the conversation that is asked about; no meaning where the call has none.
        has_user: Whether the employee of that conversation was looked up.
        has_client: Whether the client was looked up.
        is_registered: Whether the CRM knows the call; a new client exists from then on.
    """

    stage: str
    at_s: int
    told: int
    has_user: bool
    has_client: bool
    is_registered: bool


_BEFORE_LOOKUP = ("process_user_phone", "process_client_phone")
_BEFORE_REGISTRATION = (*_BEFORE_LOOKUP, "need_registration", "process_registration_params")


def _moment(point: Point, scenario: Scenario, stage: str) -> _Moment:
    told = 0 if point.stages == REGISTRATION_STAGES else scenario.told
    at_s = _second_of(stage, scenario, told)
    is_first = at_s == scenario.asks_first_s and not scenario.is_click_to_call  # the CRM knows its own clicks
    return _Moment(
        stage,
        at_s,
        told,
        has_user=not (stage == "conversation_requested" and point.name in _BEFORE_LOOKUP),
        has_client=not (is_first and point.name in _BEFORE_LOOKUP),
        is_registered=not (is_first and point.name in _BEFORE_REGISTRATION),
    )


def _second_of(stage: str, scenario: Scenario, told: int) -> int:
    if stage == "call_ended":
        return scenario.ends_s
    span = scenario.conversations[told].span
    if stage == "conversation_accepted" and span.answers_s is not None:
        return span.answers_s
    return span.ends_s if stage == "conversation_ended" else span.starts_s


def _document(point: Point, scenario: Scenario, stage: str) -> Document:
    moment = _moment(point, scenario, stage)
    document = _KEYS[point.name](scenario, moment)
    if scenario.form is Form.MINIMAL:
        return {key: {} if isinstance(document[key], dict) else document[key] for key in point.required}
    return document | _call_keys(point, scenario, moment)


def _call_keys(point: Point, scenario: Scenario, moment: _Moment) -> Document:
    if not point.has_call or point.name == "process_originate_params":  # there is no call before it is dialled
        return {}
    stage = {"call_stage": moment.stage} if point.stages else {}
    if scenario.form is Form.FULL:
        return {"call_full": _call_full(scenario, moment)} | stage
    if point.name == RECORD_POINT:  # documented for old connectors as just its own four keys
        return {}
    call, conversation = _call_channel(scenario, moment), _conversation_channel(scenario, moment, moment.told)
    return {"call": _flat(scenario, call), "conversation": _flat(scenario, conversation)} | stage


def _flat(scenario: Scenario, channel: Document) -> Document:
    """Return a channel as old connectors sent it: numbers as text, the direction as the CRM's number."""
    numbers = {key: channel[key]["number"] for key in ("from", "to", "trunk")}
    return channel | numbers | {"type": _type(scenario)}


def _call_full(scenario: Scenario, moment: _Moment) -> Document:
    is_ended = moment.stage == "call_ended"
    return {
        "active_conversation_id": "" if is_ended else _conversation_id(scenario, moment.told),
        "channel": _call_channel(scenario, moment),
        "conversations": {
            _conversation_id(scenario, index): _conversation(scenario, moment, index)
            for index, conversation in enumerate(scenario.conversations)
            if conversation.span.starts_s <= moment.at_s
        },
        "deal": None,
        "entity": _entity(scenario) if _has_entity(scenario, moment) else None,
        "is_ivr": not scenario.conversations,
        "record": _record_url(scenario) if is_ended and scenario.is_answered else "",
        "registration": _registration(scenario) if moment.is_registered else None,
        "result": int(scenario.status) if is_ended else 0,
    }


def _call_channel(scenario: Scenario, moment: _Moment) -> Document:
    extension = scenario.owner.extension
    line = TRUNK if scenario.is_incoming else extension
    name = f"PJSIP/{line}-{scenario.serial:08x}"
    if scenario.is_click_to_call:
        name = f"Local/{line}@from-internal-{scenario.serial:08x};1"
    inside = TRUNK if scenario.is_incoming else extension  # the caller dialled the trunk's number
    return {"id": scenario.linkedid, "is_primary": True, "name": name} | _line(
        scenario, scenario.span, inside, at_s=moment.at_s
    )


def _conversation_channel(scenario: Scenario, moment: _Moment, index: int) -> Document:
    conversation = scenario.conversations[index]
    extension = conversation.user.extension
    name = f"PJSIP/{extension if scenario.is_incoming else TRUNK}-{scenario.serial + 1 + index:08x}"
    return {"id": _conversation_id(scenario, index), "is_primary": False, "name": name} | _line(
        scenario, conversation.span, extension, at_s=moment.at_s
    )


def _line(scenario: Scenario, span: Span, inside: str, *, at_s: int) -> Document:
    """Return what a channel has beside its names, as far as it has happened; *inside* is the number on our side."""

    def time(second_s: int | None) -> str:
        if second_s is None or second_s > at_s:
            return _UNSET_TIME
        return f"{scenario.second(second_s):%Y-%m-%d %H:%M:%S}"

    caller, callee = (CLIENT_NUMBER, inside) if scenario.is_incoming else (inside, CLIENT_NUMBER)
    is_answered = span.answers_s is not None and span.answers_s <= at_s
    is_ended = span.ends_s <= at_s
    return {
        "type": "incoming" if scenario.is_incoming else "outgoing",
        "state": "ended" if is_ended else "talking" if is_answered else "ringing",
        "start_time": time(span.starts_s),
        "answer_time": time(span.answers_s),
        "end_time": time(span.ends_s),
        "was_answered": is_answered,
        "from": {"number": caller},
        "to": {"number": callee},
        "trunk": {"number": TRUNK},
        "extra": _hang_up(scenario, span) if is_ended else {},
    }


def _hang_up(scenario: Scenario, span: Span) -> Document:
    if span.answers_s is not None:
        return {"hangup_cause": 16, "dial_status": "ANSWER"}
    if scenario.is_answered:
        return {"hangup_cause": 26, "dial_status": "CANCEL"}  # answered elsewhere
    return {"hangup_cause": scenario.cause, "dial_status": scenario.dial_status}


def _conversation_id(scenario: Scenario, index: int) -> str:
    starts_at = scenario.second(scenario.conversations[index].span.starts_s)
    return f"{int(starts_at.timestamp())}.{scenario.serial + 1 + index}"


def _conversation(scenario: Scenario, moment: _Moment, index: int) -> Document:
    is_known = moment.has_user or index < moment.told
    return {
        "channel": _conversation_channel(scenario, moment, index),
        "is_parked": False,
        "user": _user(scenario.conversations[index].user) if is_known else None,
    }


def _user(user: User) -> Document:
    phones = [user.extension] if user.extension else []
    return {"id": user.id, "phones": phones, "name": user.name, "email": user.email, "position": user.position}


def _has_entity(scenario: Scenario, moment: _Moment) -> bool:
    return moment.is_registered if scenario.client.is_new else moment.has_client


def _entity(scenario: Scenario) -> Document:
    client = scenario.client
    return {
        "id": str(client.id),
        "is_new": client.is_new,
        "name": client.name,
        "phones": [CLIENT_NUMBER],
        "raw": {"ID": str(client.id), **client.raw, "ASSIGNED_BY_ID": str(scenario.owner.id)},
        "responsible": _user(scenario.owner),
        "responsible_id": str(scenario.owner.id),
        "type": client.type,
    }


def _registration(scenario: Scenario) -> Document:
    client = scenario.client
    created = [{"ENTITY_TYPE": client.type.upper(), "ENTITY_ID": client.id}] if client.is_new else []
    return {
        "CALL_ID": scenario.call_id,
        "CRM_CREATED_LEAD": client.id if client.is_new else None,
        "CRM_CREATED_ENTITIES": created,
        "CRM_ENTITY_TYPE": client.type.upper(),
        "CRM_ENTITY_ID": client.id,
    }


def _record_name(scenario: Scenario) -> str:
    started = f"{scenario.starts_at:%Y%m%d-%H%M%S}"
    extension, client = scenario.conversations[scenario.told].user.extension, CLIENT_NUMBER.lstrip("+")
    ends = f"external-{extension}-{client}" if scenario.is_incoming else f"out-{client}-{extension}"
    return f"{scenario.starts_at:%Y/%m/%d}/{ends}-{started}-{scenario.linkedid}.wav"


def _record_url(scenario: Scenario) -> str:
    return f"{_RECORDS_URL}/{_record_name(scenario)}"


def _type(scenario: Scenario) -> int:
    return 2 if scenario.is_incoming else 1


def _told_user(scenario: Scenario, moment: _Moment) -> User:
    return scenario.conversations[moment.told].user if scenario.conversations else DEFAULT_USER


def _subject(scenario: Scenario) -> str:
    if not scenario.is_incoming:
        return f"Исходящий на {CLIENT_NUMBER}"
    return f"Входящий от {CLIENT_NUMBER}" if scenario.is_answered else f"Пропущенный от {CLIENT_NUMBER}"


def _activity(scenario: Scenario, moment: _Moment) -> Document:
    """Return the CRM's activity of the call; its raw fields are text, and the empty ones are left out."""
    user = _told_user(scenario, moment)
    return {
        "id": str(_ACTIVITY_ID),
        "is_new": False,
        "name": _subject(scenario),
        "phones": [],
        "raw": {
            "ID": str(_ACTIVITY_ID),
            "OWNER_ID": str(scenario.client.id),
            "OWNER_TYPE_ID": scenario.client.owner_type,
            "TYPE_ID": "2",
            "PROVIDER_ID": "VOXIMPLANT_CALL",
            "PROVIDER_TYPE_ID": "CALL",
            "SUBJECT": _subject(scenario),
            "START_TIME": scenario.starts_at.isoformat(),
            "END_TIME": scenario.second(scenario.ends_s).isoformat(),
            "COMPLETED": "Y" if scenario.is_answered else "N",
            "RESPONSIBLE_ID": str(user.id),
            "DIRECTION": "1" if scenario.is_incoming else "2",  # the other way round than TYPE
            "ORIGIN_ID": f"VI_{scenario.call_id}",
        },
        "responsible": _user(user),
        "responsible_id": str(user.id),
        "type": "activity",
    }


def _final(scenario: Scenario, moment: _Moment) -> Document:
    return {
        "ADD_TO_CHAT": 1,
        "CALL_ID": scenario.call_id,
        "DURATION": scenario.duration_s,
        "STATUS_CODE": scenario.status,
        "USER_ID": _told_user(scenario, moment).id,
    }


def _originate(scenario: Scenario, moment: _Moment) -> Document:
    user = _told_user(scenario, moment)
    return {
        "caller_id": user.extension,
        "channel": f"Local/{user.extension}@from-internal",
        "context": "from-internal",
        "extension": CLIENT_NUMBER,
        "priority": "1",
        "request_data": {
            "CALL_ID": scenario.call_id,
            "CALL_LIST_ID": "0",
            "CRM_ENTITY_ID": str(scenario.client.id),
            "CRM_ENTITY_TYPE": scenario.client.type.upper(),
            "EXTENSION": "",
            "IS_MOBILE": "0",
            "LINE_NUMBER": TRUNK,
            "PHONE_NUMBER": CLIENT_NUMBER,
            "PHONE_NUMBER_INTERNATIONAL": CLIENT_NUMBER,
            "USER_ID": str(user.id),
        },
    }


def _record(scenario: Scenario, moment: _Moment) -> Document:
    extension = _told_user(scenario, moment).extension
    caller, callee = (CLIENT_NUMBER, extension) if scenario.is_incoming else (extension, CLIENT_NUMBER)
    path = f"{_RECORDS_PATH}/{_record_name(scenario)}"
    return {"path": path, "call_id": scenario.linkedid, "from": caller, "to": callee}


def _registration_params(scenario: Scenario, moment: _Moment) -> Document:
    return {
        "CALL_START_DATE": scenario.starts_at.isoformat(),
        "CRM_CREATE": 1,
        "CRM_SOURCE": "CALL",
        "LINE_NUMBER": TRUNK,
        "PHONE_NUMBER": CLIENT_NUMBER,
        "SHOW": 0,
        "TYPE": _type(scenario),
        "USER_ID": _told_user(scenario, moment).id,
    }


def _task(scenario: Scenario, moment: _Moment) -> Document:
    missed = "Пропущенный звонок от" if scenario.is_incoming else "Нет ответа на звонок"
    return {
        "fields": {
            "CREATED_BY": DEFAULT_USER.id,
            "DEADLINE": (scenario.second(scenario.ends_s) + timedelta(hours=1)).isoformat(),
            "RESPONSIBLE_ID": _told_user(scenario, moment).id,
            "TITLE": f"{missed} {CLIENT_NUMBER}",
            "UF_CRM_TASK": [f"{scenario.client.prefix}_{scenario.client.id}"],
        }
    }


def _autodistribution(scenario: Scenario, moment: _Moment) -> Document:
    """Return whom the connector would ring: the responsible of a client that the CRM knows already."""
    client, user = scenario.client, scenario.owner
    if client.is_new:
        no_one = {"number": "", "name": "", "from": CLIENT_NUMBER, "user": None, "entity": None}
        return no_one | {"error": "entity not found"}
    return {
        "number": user.extension,
        "name": user.name,
        "from": CLIENT_NUMBER,
        "user": _user(user),
        "entity": {"type": client.type, "id": client.id, "name": client.name, "responsible_id": user.id},
        "error": "",
    }


def _record_link(scenario: Scenario, moment: _Moment) -> Document:
    url = _record_url(scenario)
    return {
        "DESCRIPTION": f'<audio controls src="{url}"></audio><br><a href="{url}">Запись разговора</a>',
        "DESCRIPTION_TYPE": 3,
        "activity": _activity(scenario, moment),
    }


# The keys of each point beside the call.
_KEYS: Mapping[str, Callable[[Scenario, _Moment], Document]] = {
    "customize_activity": lambda scenario, moment: {"activity": _activity(scenario, moment)},
    "customize_entity": lambda scenario, moment: {},
    "need_registration": lambda scenario, moment: {},
    "process_client_phone": lambda scenario, moment: {"phone": CLIENT_NUMBER},
    "process_final_params": _final,
    "process_originate_params": _originate,
    RECORD_POINT: _record,
    "process_registration_params": _registration_params,
    "process_task_creation_params": _task,
    "process_user_phone": lambda scenario, moment: {"phone": _told_user(scenario, moment).extension},
    "customize_autodistribution": _autodistribution,
    "post_registration": lambda scenario, moment: {},
    "customize_show_call_card": lambda scenario, moment: {
        "CALL_ID": scenario.call_id,
        "USER_ID": _told_user(scenario, moment).id,
    },
    "customize_attach_record_url": _record_link,
}
