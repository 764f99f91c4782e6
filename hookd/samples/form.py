"""
A call as people describe it: a JSON object that says what is different from one of the calls below.

    {"like": "missed", "client_number": "89001112233", "client": "known", "starts": "2026-03-07T22:15:00"}

Every key may be left out. What is wrong is said all at once, with what is allowed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from hookd.documents import Json, dump
from hookd.errors import SampleError
from hookd.names import meant
from hookd.points import POINTS
from hookd.samples.scenarios import (
    CONTACT,
    DEFAULT_USER,
    LEAD,
    SCENARIOS,
    USERS,
    ZONE,
    Conversation,
    Document,
    Scenario,
    Span,
    User,
)

# The calls that can be played, and the samples that they are.
CALLS: Mapping[str, str] = MappingProxyType(
    {
        "answered": "incoming",
        "missed": "incoming-missed",
        "ivr-missed": "ivr",
        "transfer": "transferred",
        "outgoing": "outgoing",
        "outgoing-unanswered": "outgoing-unanswered",
        "click-to-call": "click-to-call",
        "queue": "queue",
    }
)
DEFAULT_CALL = "answered"
CALL_S = 86_400  # a call that lasts longer than a day was not meant
STATUSES = ("200", "304", "603", "603-S", "403", "404", "486", "484", "503", "480", "402", "423", "OTHER")

Sets = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call to play.

    Attributes:
        name: For people.
        summary: What happens in it, in a sentence; "" where that is anybody's own.
        is_link: Whether the connector attaches a link to the recording instead of the file.
        sets: What is different in the requests of a point: paths and values.
    """

    name: str
    summary: str
    scenario: Scenario
    is_link: bool
    sets: Sets


def read(name: str, form: Json) -> Call:
    """
    Return the call that *form* describes.

    Raises:
        SampleError: What is wrong with it, one line a fault; each begins with *name*.
    """
    if not isinstance(form, dict):
        raise SampleError(f"{name}: a call is a JSON object. Keys: {', '.join(KEYS)}.")
    faults = list(_faults(form))
    if not faults:
        call = _call(name, form)
        faults = list(_contradictions(call.scenario))
    if faults:
        raise SampleError("\n".join(f"{name}: {fault}" for fault in faults))
    return call


def assigned(form: Document, path: str, value: Json) -> Document:
    """
    Return *form* with one value set, as `--set` names it: a key of the form, or POINT.path of that point's requests.
    """
    key, dot, rest = path.partition(".")
    if not dot or key not in POINTS:
        return {**form, path: value}
    sets = form.get("set", {})
    paths = sets.get(key, {}) if isinstance(sets, dict) else {}
    if not isinstance(paths, dict) or not isinstance(sets, dict):
        return form  # `read` says what is wrong with it
    return {**form, "set": {**sets, key: {**paths, rest: value}}}


# ---- reading ---------------------------------------------------------------------------------------------------


def _call(name: str, form: Document) -> Call:
    like = form.get("like", DEFAULT_CALL)
    scenario = SCENARIOS[CALLS[like]]
    changes: dict[str, Json] = {key: str(form[given]) for given, key in _TEXTS.items() if given in form}
    changes |= {"ends_s": form["ends_s"]} if "ends_s" in form else {}
    if "client" in form:
        changes["client"] = CONTACT if form["client"] == "known" else LEAD
    if "starts" in form:
        starts = _time(form["starts"])
        changes |= {"day": f"{starts:%Y-%m-%d}", "starts": f"{starts:%H:%M:%S}"}
    if "conversations" in form:
        changes |= _conversations(form)
    return Call(
        name if like == name else f"{name} ({like})",
        "" if "conversations" in form else scenario.summary,
        replace(scenario, **changes),
        is_link=form.get("record", "link") == "link",
        sets=form.get("set", {}),
    )


def _conversations(form: Document) -> dict[str, Json]:
    read = tuple(map(_conversation, form["conversations"]))
    answered = [index for index, one in enumerate(read) if one.span.answers_s is not None]
    status = str(form.get("status", "200" if answered else "304"))
    return {"conversations": read, "told": answered[-1] if answered else 0, "status": status}


def _conversation(form: Document) -> Conversation:
    extension = str(form["extension"])
    user = USERS.get(extension) or employee(extension)
    if "user_id" in form:
        user = replace(user, id=form["user_id"], name=f"{form['user_id']}", email="", position="")
    return Conversation(user, Span(form["rings_s"], form["ends_s"], form.get("answers_s")))


def employee(extension: str) -> User:
    """
    Return who is at *extension*: one of the samples' users, or the default user, to whom the connector falls back.
    """
    return USERS.get(extension) or replace(DEFAULT_USER, extension=extension)


def _time(text: str) -> datetime:
    """Return a time in the zone of all samples; one without an offset is in it already."""
    found = datetime.fromisoformat(text)
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{ZONE}").tzinfo
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


# ---- what is wrong ---------------------------------------------------------------------------------------------


def _faults(form: Document) -> Iterator[str]:
    yield from _key_faults(form, KEYS, "")
    for number, one in enumerate(form["conversations"] if _is_objects(form.get("conversations")) else ()):
        place = f"conversations.{number}."
        yield from _key_faults(one, _CONVERSATION, place)
        yield from (f"{place}{key} is missing: {_CONVERSATION[key][1]}." for key in _NEEDED if key not in one)
    for point, paths in form["set"].items() if _is_object(form.get("set")) else ():
        if point not in POINTS:
            yield f"set.{point}: there is no such point{meant(point, POINTS)} Points: {', '.join(POINTS)}."
        elif not _is_object(paths):
            yield f'set.{point}: an object of paths and values is expected, such as {{"call_full.is_ivr": true}}.'


def _key_faults(form: Document, known: "_Keys", place: str) -> Iterator[str]:
    for key, value in form.items():
        if key not in known:
            yield f"{place}{key}: there is no such key{meant(key, known)} Keys: {', '.join(known)}."
        elif not known[key][0](value):
            yield f"{place}{key}: {dump(value).decode():.60} is none of this: {known[key][1]}."


def _contradictions(scenario: Scenario) -> Iterator[str]:
    if not scenario.conversations and not scenario.is_incoming:
        yield "conversations: a call that is made has one; only a caller in the voice menu has none."
    for number, one in enumerate(scenario.conversations):
        span = one.span
        middle = span.starts_s if span.answers_s is None else span.answers_s
        if not span.starts_s <= middle <= span.ends_s <= scenario.ends_s:
            shown = f"rings_s {span.starts_s}, answers_s {span.answers_s}, ends_s {span.ends_s}"
            yield (
                f"conversations.{number}: {shown}, and the call's own ends_s {scenario.ends_s}: "
                "each has to be at or after the one before. Set ends_s of the call, if that is too early."
            )


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_objects(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_object, value))


def _is_number(value: Json) -> bool:
    return (isinstance(value, str) and bool(value)) or type(value) is int


def _is_second(value: Json) -> bool:
    return type(value) is int and 0 <= value <= CALL_S


def _is_time(value: Json) -> bool:
    try:
        found = _time(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return 1990 < found.year < 2100


def _one_of(*names: str) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str | int) and type(value) is not bool and str(value) in names


_Keys = Mapping[str, tuple[Callable[[Json], bool], str]]

# Key → whether a value is right, and what it has to be.
KEYS: _Keys = MappingProxyType(
    {
        "like": (_one_of(*CALLS), f"the call that this one is like: {', '.join(CALLS)}; {DEFAULT_CALL} without it"),
        "client_number": (_is_number, "the client's number as the PBX has it"),
        "client": (_one_of("known", "unknown"), '"known", a contact of the CRM, or "unknown"'),
        "trunk": (_is_number, "the number of the line"),
        "starts": (_is_time, f'when it starts, such as "2026-03-02T10:00:00"; without an offset in {ZONE}'),
        "ends_s": (_is_second, "when it ends, in whole seconds from its start"),
        "conversations": (_is_objects, "a list with an object for each extension that rings, or that calls"),
        "status": (_one_of(*STATUSES), f"STATUS_CODE at the end: {', '.join(STATUSES)}"),
        "record": (_one_of("link", "file"), '"link" or "file": what of the recording the connector attaches'),
        "set": (_is_object, 'what is different in requests: {"POINT": {"path": value}}'),
    }
)
_CONVERSATION: _Keys = MappingProxyType(
    {
        "extension": (_is_number, "the employee's extension"),
        "rings_s": (_is_second, "when it rings, in whole seconds from the start of the call"),
        "answers_s": (lambda value: value is None or _is_second(value), "when it is answered; without it never"),
        "ends_s": (_is_second, "when it ends"),
        "user_id": (lambda value: type(value) is int and value > 0, "the employee's id in the CRM, an integer"),
    }
)
_NEEDED = ("extension", "rings_s", "ends_s")
_TEXTS: Mapping[str, str] = MappingProxyType({"client_number": "number", "trunk": "trunk", "status": "status"})
