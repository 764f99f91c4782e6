"""
Sample openings of pages: what a hook gets of each placement that is known, for commands and tests of hooks.

They are what the table of codes says a place tells, sent through the same reading as a portal's own posts.
"""

from collections.abc import Mapping

from hookd import documents
from hookd.documents import Json
from hookd.errors import SampleError
from hookd.names import meant
from hookd.portal import codes
from hookd.portal.codes import Code, Field
from hookd.portal.envelopes import CALL_CARD, read_placement

_QUERY = {"DOMAIN": "acme.bitrix24.com", "PROTOCOL": "1", "LANG": "ru", "APP_SID": "231dec2797809e63f2183cd9e5c1db79"}
_BODY = {"member_id": "0f3d9a1b7c5e4286a9d0b1c2e3f40516", "status": "L"}
_CALL: Mapping[str, Json] = {
    "CALL_ID": "externalCall.c3ee67f1a63f6e6117c230ab59cc49ea.1767225600",
    "PHONE_NUMBER": "+79001234567",
    "LINE_NUMBER": "73432723033",
    "LINE_NAME": "73432723033",
    "CRM_ENTITY_TYPE": "CONTACT",
    "CRM_ENTITY_ID": "13037",
    "CRM_ACTIVITY_ID": "undefined",
    "CALL_DIRECTION": "incoming",
    "CALL_STATE": "connected",
    "CALL_LIST_MODE": "false",
}
_UNKNOWN: Mapping[str, Json] = {**_CALL, "CRM_ENTITY_TYPE": "", "CRM_ENTITY_ID": "0"}
_HIDDEN = {name: value for name, value in _UNKNOWN.items() if name != "PHONE_NUMBER"}
# Samples of the call card: name → what happens, and its options.
_CALLS: Mapping[str, tuple[str, Mapping[str, Json]]] = {
    "known-client": ("A client calls whom the CRM knows.", _CALL),
    "unknown-client": ("Somebody calls whom the CRM does not know.", _UNKNOWN),
    "hidden-number": ("Somebody calls who hides the number.", _HIDDEN),
    "outgoing": ("An employee calls a client.", {**_CALL, "CALL_DIRECTION": "outgoing", "CALL_STATE": "connecting"}),
}
_VALUES: Mapping[str, str] = {"ID": "6591", "ENTITY_ID": "6591", "dialogId": "chat17", "taskId": "3711"}
_OF_TYPE: Mapping[str, Json] = {
    "integer": "17",
    "number": "1.5",
    "string": "17",
    "boolean": True,
    "object": {},
    "array": [],
}
_TYPE_NUMBER = "183"  # stands for that of a custom type


def names(hook: str) -> list[str]:
    """
    Return the names of the samples for the hook *hook*: places by the names of their own hooks; calls at the call card.
    """
    if hook == CALL_CARD.lower():
        return list(_CALLS)
    return [_name(row) for row in codes.placements().values() if hook in _hooks(row)] or [hook]


def sample(hook: str, name: str) -> dict[str, Json]:
    """
    Return a placement as the hook *hook* gets it when its page is opened, the caller's own to change.

    Raises:
        SampleError: The hook makes no such page.
    """
    known = names(hook)
    if name not in known:
        there = ", ".join(known[:20])
        raise SampleError(f'placements/{hook}: sample "{name}" does not exist{meant(name, known)} There are: {there}.')
    code, options = _opened(name)
    body = {**_BODY, "PLACEMENT": code, "PLACEMENT_OPTIONS": documents.dump(dict(options)).decode()}
    return {**read_placement(_QUERY, body).document(), "form": None}


def describe(name: str) -> str:
    """
    Return one line on the place, or the call, that a sample is of.
    """
    if name in _CALLS:
        return _CALLS[name][0]
    known = codes.placement(name)
    return known.about if known else "A place that this hookd does not know."


def _opened(name: str) -> tuple[str, Mapping[str, Json]]:
    if name in _CALLS:
        return CALL_CARD, _CALLS[name][1]
    code = name.removeprefix("code_").upper()
    known = codes.placement(code)
    fields = known.fields if known else ()
    return code, {field.name: _value(field) for field in fields if field.is_required}


def _value(field: Field) -> Json:
    if field.name in _VALUES:
        return _VALUES[field.name]
    return str(field.values[0]) if field.values else _OF_TYPE[field.type]


def _hooks(row: Code) -> tuple[str, ...]:
    return codes.placement_hooks(_code(row))


def _name(row: Code) -> str:
    return codes.hook_name(_code(row))


def _code(row: Code) -> str:
    return row.code.replace("<id>", _TYPE_NUMBER)
