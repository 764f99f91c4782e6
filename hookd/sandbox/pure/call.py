"""
`call`: what a request says about its call, whichever of the 14 points it belongs to.

Connectors describe a call in three ways, and this view reads them in one order, field by field: `call_full` (3.10
and later), the older `call` and `conversation`, and the request's own keys (TYPE, PHONE_NUMBER, DURATION, from,
number, extension …). The inner shapes of `call_full` are not documented, so every value is looked at for what it is
and nothing here raises: what cannot be read is unknown, and each field says in docs/call.md what unknown looks like.

A field is read when it is first asked for, and keeps its value: a hook that does not ask pays nothing.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

from hookd.sandbox.pure import ToolError

Json = Any
Identifier = int | str | None

# channel.type is a word; TYPE and the older conversation.type are the CRM's numbers: 1 outgoing, 2 incoming,
# 3 incoming and redirected, 4 callback, 5 informational (the company rings the client in both).
_DIRECTIONS = {
    "incoming": "incoming",
    "outgoing": "outgoing",
    "local": "local",
    "1": "outgoing",
    "2": "incoming",
    "3": "incoming",
    "4": "outgoing",
    "5": "outgoing",
}
_CLIENT_SIDE = {"incoming": "from", "outgoing": "to"}
_EMPLOYEE_SIDE = {"incoming": "to", "outgoing": "from", "local": "to"}

# Keys that only one point sends, so that they tell which one it is.
_ORIGINATE_KEYS = frozenset({"caller_id", "channel", "context", "extension", "request_data"})
_AUTODISTRIBUTION_KEYS = frozenset({"number", "name", "error"})
_KEYS_OF_AN_ENDED_CALL = frozenset({"STATUS_CODE", "DURATION", "activity", "fields"})

_RUNNING_STAGES = ("conversation_requested", "conversation_accepted", "conversation_ended")
_ENDED_STATES = ("ended", "processed")
_RECORD_KEYS = ("path", "record_file_path", "file_path", "record", "file")
_NUMBER_KEYS = ("number", "phone", "value", "num", "customized", "original", "name", "id")

# Internal numbers have up to 5 digits; only asked where nothing else tells the employee's number from the client's.
_INTERNAL = re.compile(r"[0-9*#]{1,5}")
_PUBLIC_NUMBER = re.compile(r"\+?[0-9() .-]{6,}")
# The employee in a channel's name: Local/101@from-internal, PJSIP/101-0000001a, SIP/101.
_CHANNEL_NUMBER = re.compile(r"(?:^|/)([0-9*#+]+)(?=[-@;/]|$)")

# The connector's zero date is in the year 1, in any zone; the upper bound leaves room to change zones.
_YEARS = range(1970, 9999)
_ID_DIGITS_MAX = 18  # what fits into 64 bits
_INT_BITS_MAX = 128  # Python refuses to print numbers of thousands of digits; no number or id is that long
_ANSWERED_CODE = 200
_REFUSED_CODES_FROM = 300  # SIP-style: below are answers and progress, from here on the reasons why not


def number_of(value: Json) -> str:
    """
    Return the number in *value*: text, an integer, or the object that a connector puts around a number; else "".
    """
    value = _sole(value)
    if isinstance(value, dict):
        return _first(_text(value.get(key)) for key in _NUMBER_KEYS)
    return _text(value)


@dataclass(frozen=True, slots=True)
class CrmObject:
    """
    An employee, or a lead, contact or company; all fields are there even if nothing is known.

    Attributes:
        id: int where it is all digits; None when unknown.
        name: Full name or title.
        type: "lead", "contact", "company" …, in lower case; "" for employees.
        responsible_id: The user who is responsible; None when unknown.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset({"id", "name", "type", "responsible_id"})

    id: Identifier = None
    name: str = ""
    type: str = ""
    responsible_id: Identifier = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """
    One employee's part of a call: an extension that rang, and what came of it.

    Attributes:
        id: The channel's uniqueid.
        extension: The employee's internal number.
        answered: Whether this employee answered.
        started_at: When it began to ring, in the site's zone.
        duration_s: Seconds from its answer to its end; 0 until it has ended.
        is_parked: Whether the client is parked.
        state: "ringing", "talking", "ended" or "processed".
        user: The employee.
        client_number: The number at the other end.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset(
        {"id", "extension", "answered", "started_at", "duration_s", "is_parked", "state", "user", "client_number"}
    )

    id: str
    extension: str
    answered: bool
    started_at: datetime | None
    duration_s: int
    is_parked: bool
    state: str
    user: CrmObject
    client_number: str


class Call:
    """
    A read-only view of a request; docs/call.md has the table of its fields.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset(
        {
            "stage",
            "direction",
            "client_number",
            "extension",
            "line",
            "trunk",
            "did",
            "is_ivr",
            "answered",
            "missed",
            "started_at",
            "duration_s",
            "linkedid",
            "record",
            "user",
            "entity",
            "conversations",
        }
    )

    _request: dict[str, Json]
    _zone: tzinfo
    _point: str

    def __init__(self, request: dict[str, Json], zone: tzinfo, point: str = "") -> None:
        """
        Args:
            request: The request as the hook gets it, unwrapped; it is read, never changed.
            zone: The site's; the connector's times carry none.
            point: Where it was asked, which settles whose number `phone` is; "" goes by its length.
        """
        self.__dict__["_request"] = request
        self.__dict__["_zone"] = zone
        self.__dict__["_point"] = point

    def __setattr__(self, name: str, value: object) -> None:
        raise ToolError(f"call.{name} cannot be set: call is a view of the request.", "Return what you want changed.")

    def __repr__(self) -> str:
        return f"Call({self.direction or 'unknown'}, {self.client_number!r}, {self.extension!r})"

    @cached_property
    def stage(self) -> str:
        return _text(self._request.get("call_stage"))

    @cached_property
    def direction(self) -> str:
        told = _first(channel.direction for channel in self._mains)
        if told:
            return told
        if not _ORIGINATE_KEYS.isdisjoint(self._request):
            return "outgoing"
        # A conversation may be local because it was transferred: that says nothing about the call.
        told = _first(leg.channel.direction for leg in self._legs if leg.channel.direction in _CLIENT_SIDE)
        told = told or _direction(self._request.get("TYPE"))
        if not told and not _AUTODISTRIBUTION_KEYS.isdisjoint(self._request):
            return "incoming"
        return told

    @cached_property
    def client_number(self) -> str:
        side = _CLIENT_SIDE.get(self.direction)
        number = ""
        if side:
            number = _first(channel.number(side) for channel in self._mains)
            number = number or _first(_external(leg.channel.number(side)) for leg in self._legs)
        number = number or _first(number_of(self._request.get(key)) for key in ("extension", "PHONE_NUMBER"))
        number = number or self._phone_of("process_client_phone", _external)
        if not number and not self.direction:
            number = _first(_external(end) for channel in self._mains for end in channel.ends())
        return number

    @cached_property
    def extension(self) -> str:
        return _first(self._extensions())

    @cached_property
    def line(self) -> str:
        return _first(self._lines()) or self.did or self.trunk

    @cached_property
    def trunk(self) -> str:
        channels = [*self._mains, *(leg.channel for leg in self._legs)]
        return _first(channel.number("trunk") for channel in channels)

    @cached_property
    def did(self) -> str:
        if self.direction != "incoming":
            return ""
        # Connectors also put the employee who rings here; then the trunk's number is the one that was dialled.
        internal = {conversation.extension for conversation in self.conversations}
        candidates = [*(channel.number("to") for channel in self._mains), self.trunk]
        return _first(number for number in candidates if _is_public(number) and number not in internal)

    @cached_property
    def is_ivr(self) -> bool:
        return any(_flag(source.get("is_ivr")) for source in self._sources)

    @cached_property
    def answered(self) -> bool:
        return self._was_answered is True

    @cached_property
    def missed(self) -> bool:
        return self._has_ended and self._was_answered is False

    @cached_property
    def started_at(self) -> datetime | None:
        channels = [*self._mains, *(leg.channel for leg in self._legs)]
        known = (moment for channel in channels if (moment := channel.moment("start_time")))
        return next(known, None) or _moment(self._request.get("CALL_START_DATE"), self._zone)

    @cached_property
    def duration_s(self) -> int:
        told = _seconds(self._request.get("DURATION"))
        if told is not None:
            return told
        if not self.answered:
            return 0
        talks = [leg.channel.talk() for leg in self._legs if leg.channel.was_answered()]
        talks = talks if any(talks) else [channel.talk() for channel in self._mains]
        known = [talk for talk in talks if talk]
        # Conversations of a transferred call overlap and pause: from the first answer to the last end.
        return _between(min(start for start, _ in known), max(end for _, end in known)) if known else 0

    @cached_property
    def linkedid(self) -> str:
        call = _object(self._request.get("call"))
        told = (_channel_in(self._full).get("id"), call.get("linkedid"), _channel_in(call).get("id"))
        return _first(map(_text, told)) or _first(leg.id for leg in self._legs if leg.channel.is_primary)

    @cached_property
    def record(self) -> str:
        told = _first(_text(self._request.get(key)) for key in _RECORD_KEYS)
        return told or _first(_text(source.get("record")) for source in self._sources)

    @cached_property
    def user(self) -> CrmObject:
        current = [self._current.user] if self._current else []
        told = [source.get("user") for source in self._sources]
        ids = [self._request.get("USER_ID"), self._request_data.get("USER_ID")]
        return _first_known([*current, *map(_crm_object, told), *map(_crm_object, ids)])

    @cached_property
    def entity(self) -> CrmObject:
        told = [_crm_object(source.get("entity")) for source in self._sources]
        return _first_known([*told, *map(_registered_entity, (self._registration, self._request_data))])

    @cached_property
    def conversations(self) -> tuple[Conversation, ...]:
        return tuple(map(self._conversation, self._legs))

    # Where the facts are.

    @cached_property
    def _full(self) -> dict[str, Json]:
        return _object(self._request.get("call_full"))

    @cached_property
    def _sources(self) -> list[dict[str, Json]]:
        older = (_object(self._request.get(key)) for key in ("call", "conversation"))
        return [source for source in (self._full, *older, self._request) if source]

    @cached_property
    def _mains(self) -> "list[_Channel]":
        return [_Channel(_channel_in(source), self._zone) for source in self._sources]

    @cached_property
    def _legs(self) -> "list[_Leg]":
        told = self._full.get("conversations")
        if not isinstance(told, dict | list):
            told = [self._request.get("conversation")]
        pairs = told.items() if isinstance(told, dict) else [("", facts) for facts in told]
        legs = [_leg(key, facts, self._zone) for key, facts in pairs if facts and isinstance(facts, dict)]
        return sorted(legs, key=_Leg.start)

    @cached_property
    def _registration(self) -> dict[str, Json]:
        return _object(self._full.get("registration"))

    @cached_property
    def _request_data(self) -> dict[str, Json]:
        return _object(self._request.get("request_data"))

    @cached_property
    def _current(self) -> Conversation | None:
        """The active conversation, else the last one that was answered, else the last one."""
        active = _text(self._full.get("active_conversation_id"))
        found = [conversation for conversation in self.conversations if active and conversation.id == active]
        found = found or [conversation for conversation in self.conversations if conversation.answered]
        found = found or list(self.conversations)
        return found[-1] if found else None

    def _conversation(self, leg: "_Leg") -> Conversation:
        talk = leg.channel.talk()
        is_answered = leg.channel.was_answered() is True
        return Conversation(
            id=leg.id,
            extension=self._extension_of(leg),
            answered=is_answered,
            started_at=leg.channel.moment("start_time"),
            duration_s=_between(*talk) if talk and is_answered else 0,
            is_parked=_flag(leg.facts.get("is_parked")),
            state=leg.channel.state,
            user=_crm_object(leg.facts.get("user")),
            client_number=self._client_of(leg),
        )

    def _extension_of(self, leg: "_Leg") -> str:
        side = _EMPLOYEE_SIDE.get(leg.channel.direction or self.direction)
        number = leg.channel.number(side) if side else _first(map(_internal, leg.channel.ends()))
        return number or _first_phone(leg.facts.get("user"))

    def _client_of(self, leg: "_Leg") -> str:
        # A transferred conversation shows the colleague who transferred at the client's end.
        side = _CLIENT_SIDE.get(leg.channel.direction or self.direction)
        return (_external(leg.channel.number(side)) if side else "") or self.client_number

    def _extensions(self) -> Iterator[str]:
        if self._current:
            yield self._current.extension
        side = _EMPLOYEE_SIDE.get(self.direction)
        for channel in self._mains:
            ends = (channel.number(side),) if side else channel.ends()
            # Until an employee is asked, the number that the client dialled stands at the employee's end.
            yield from ends if self.direction == "outgoing" else map(_internal, ends)
        yield number_of(self._request.get("number"))
        yield self._phone_of("process_user_phone", _internal)
        yield _number_in_channel(_text(self._request.get("channel")))
        for source in self._sources:
            yield _first_phone(source.get("user"))

    def _phone_of(self, point: str, guess: Callable[[str], str]) -> str:
        """The request's `phone` if it was asked at *point*; where the point is unknown, as *guess* judges."""
        number = number_of(self._request.get("phone"))
        if self._point:
            return number if self._point == point else ""
        return guess(number)

    def _lines(self) -> Iterator[str]:
        for source in (self._request, self._registration, self._request_data):
            yield number_of(source.get("LINE_NUMBER"))
            yield number_of(source.get("line_number"))

    @cached_property
    def _was_answered(self) -> bool | None:
        """Whether an employee answered; None where nothing tells."""
        known = [leg.channel.was_answered() for leg in self._legs]
        if True in known:
            return True
        # The main channel is also answered by a menu or a queue: it is asked last, and not at all after a menu.
        if self.is_ivr:
            return False
        verdict = self._verdict()
        if verdict is not None:
            return verdict
        told = [False] if False in known else [channel.was_answered() for channel in self._mains]
        return next((answer for answer in told if answer is not None), None)

    def _verdict(self) -> bool | None:
        """What the connector itself makes of the call, or None."""
        if self.stage == "conversation_accepted":
            return True
        for code in (self._request.get("STATUS_CODE"), self._full.get("result")):
            answer = _is_answered_code(_text(code))
            if answer is not None:
                return answer
        duration_s = _seconds(self._request.get("DURATION"))
        if duration_s is not None:
            return duration_s > 0
        # A task is made for missed and unanswered calls only.
        return False if "fields" in self._request else None

    @cached_property
    def _has_ended(self) -> bool:
        # The main channel of a call that an employee transferred ends before the call: the stage knows better.
        if self.stage in _RUNNING_STAGES:
            return False
        if self.stage == "call_ended" or not _KEYS_OF_AN_ENDED_CALL.isdisjoint(self._request):
            return True
        return any(channel.has_ended for channel in self._mains)


# What a hook may reach of the objects that it meets here.
PUBLIC: Mapping[type, frozenset[str]] = MappingProxyType(
    {view: view.PUBLIC for view in (Call, Conversation, CrmObject)}
)


class _Channel:
    """
    A channel as a connector describes it: the call's main one, or a conversation's.
    """

    __slots__ = ("_facts", "_zone")

    def __init__(self, facts: dict[str, Json], zone: tzinfo) -> None:
        self._facts = facts
        self._zone = zone

    def number(self, key: str) -> str:
        return number_of(self._facts.get(key))

    def ends(self) -> tuple[str, str]:
        return self.number("from"), self.number("to")

    def moment(self, key: str) -> datetime | None:
        return _moment(self._facts.get(key), self._zone)

    def talk(self) -> tuple[datetime, datetime] | None:
        answered_at, ended_at = self.moment("answer_time"), self.moment("end_time")
        return (answered_at, ended_at) if answered_at and ended_at else None

    def was_answered(self) -> bool | None:
        if isinstance(self._facts.get("was_answered"), bool | int | str):
            return _flag(self._facts["was_answered"])
        if self.moment("answer_time") or self.state == "talking":
            return True
        return False if "answer_time" in self._facts else None

    @property
    def direction(self) -> str:
        return _direction(self._facts.get("type"))

    @property
    def state(self) -> str:
        return _text(self._facts.get("state"))

    @property
    def is_primary(self) -> bool:
        return _flag(self._facts.get("is_primary"))

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED_STATES or self.moment("end_time") is not None


class _Leg(NamedTuple):
    """A conversation as it came: its id, its channel, and the object that holds both."""

    id: str
    channel: _Channel
    facts: dict[str, Json]

    def start(self) -> tuple[bool, float]:
        moment = self.channel.moment("start_time")
        return (False, moment.timestamp()) if moment else (True, 0.0)


def _leg(key: str, facts: dict[str, Json], zone: tzinfo) -> _Leg:
    channel = _channel_in(facts)
    return _Leg(_text(channel.get("id")) or key, _Channel(channel, zone), facts)


def _channel_in(source: dict[str, Json]) -> dict[str, Json]:
    # The older `call` and `conversation` have the channel's keys themselves.
    return _object(source.get("channel")) or source


def _crm_object(value: Json) -> CrmObject:
    value = _sole(value)
    if not isinstance(value, dict):
        return CrmObject(id=_identifier(value))
    responsible_id = _identifier(value.get("responsible_id"))
    if responsible_id is None:
        responsible_id = _identifier(_object(value.get("responsible")).get("id"))
    return CrmObject(
        id=_identifier(value.get("id")),
        name=_text(value.get("name")),
        type=_text(value.get("type")).lower(),
        responsible_id=responsible_id,
    )


def _registered_entity(source: dict[str, Json]) -> CrmObject:
    # The CRM's own names, as its telephony methods and events have them.
    id_ = _identifier(source.get("CRM_ENTITY_ID"))
    return CrmObject(id=id_, type=_text(source.get("CRM_ENTITY_TYPE")).lower())


def _first_known(objects: Iterable[CrmObject]) -> CrmObject:
    return next((found for found in objects if found.id is not None or found.name), CrmObject())


def _first_phone(user: Json) -> str:
    phones = _object(_sole(user)).get("phones")
    if isinstance(phones, dict):
        phones = list(phones.values())
    return _first(map(number_of, phones if isinstance(phones, list) else [phones]))


# One value of any kind → what it is meant to be.


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _sole(value: Json) -> Json:
    """The first item where a list came in for the thing itself."""
    return (value[0] if value else None) if isinstance(value, list) else value


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > _INT_BITS_MAX:
        return ""
    return str(value)


def _flag(value: Json) -> bool:
    return value is True or _text(value).lower() in ("1", "true")


def _identifier(value: Json) -> Identifier:
    text = _text(_sole(value))
    if len(text) <= _ID_DIGITS_MAX and text.isdecimal():
        return int(text) or None  # 0 is how the connector writes «none»
    return text or None


def _seconds(value: Json) -> int | None:
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    text = _text(value)
    return int(text) if len(text) <= _ID_DIGITS_MAX and text.isdecimal() else None


def _moment(value: Json, zone: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _between(start: datetime, end: datetime) -> int:
    # timestamp() counts in UTC: local times would gain or lose an hour when the clocks change. Where they go back,
    # an end before its start is the second of the two times of that name.
    if end.timestamp() < start.timestamp():
        end = end.replace(fold=1)
    return max(0, int(end.timestamp() - start.timestamp()))


def _direction(value: Json) -> str:
    return _DIRECTIONS.get(_text(value).lower(), "")


def _is_answered_code(code: str) -> bool | None:
    status = _seconds(code.partition("-")[0])  # 603-S
    if status == _ANSWERED_CODE:
        return True
    return False if status is not None and status >= _REFUSED_CODES_FROM else None


def _internal(number: str) -> str:
    return number if _INTERNAL.fullmatch(number) else ""


def _external(number: str) -> str:
    return "" if _INTERNAL.fullmatch(number) else number


def _is_public(number: str) -> bool:
    # A trunk goes by its number or by a name; Asterisk writes «s» where it does not know what was dialled.
    return _PUBLIC_NUMBER.fullmatch(number) is not None


def _number_in_channel(name: str) -> str:
    found = _CHANNEL_NUMBER.search(name)
    return found.group(1) if found else ""


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")
