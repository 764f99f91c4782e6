"""
Sample events: what a hook gets of each event that is known, for commands and tests of hooks.

They are what the tables of codes say an event carries, sent through the same reading as a portal's own posts.
"""

from collections.abc import Mapping

from hookd.documents import Json
from hookd.errors import SampleError
from hookd.names import meant
from hookd.portal import codes
from hookd.portal.codes import Code, Field
from hookd.portal.envelopes import read_event
from hookd.portal.events import example

TS = "1767225600"  # 2026-01-01
PORTAL: Mapping[str, str] = {
    "member_id": "0f3d9a1b7c5e4286a9d0b1c2e3f40516",
    "domain": "acme.bitrix24.com",
    "client_endpoint": "https://acme.bitrix24.com/rest/",
    "server_endpoint": "https://oauth.bitrix.info/rest/",
    "application_token": "",
    "status": "L",
    "scope": "crm",
    "user_id": "1",
}
_CALL = "externalCall.c3ee67f1a63f6e6117c230ab59cc49ea.1767225600"
_TASK = {"ID": "3711"}
# What a key holds, in whatever event; others get what fits their type.
_VALUES: Mapping[str, Json] = {
    "ID": "365",
    "RECURRING_DEAL_ID": "6791",
    "DEAL_ID": "6799",
    "RECURRING_INVOICE_ID": "51",
    "INVOICE_ID": "57",
    "TYPE_ID": "PRIMARY",
    "ANCHOR_ID": "2946",
    "ANCHOR_TYPE_ID": "COMPANY",
    "FIELD_NAME": "UF_CRM_1767225600",
    "STAGE_ID": "C1:NEW",
    "CALL_ID": _CALL,
    "CALL_TYPE": "2",
    "CALLER_ID": "+79001234567",
    "PHONE_NUMBER": "+79001234567",
    "PHONE_NUMBER_INTERNATIONAL": "+79001234567",
    "PORTAL_NUMBER": "REST_APP:1",
    "CALL_DURATION": "42",
    "CALL_START_DATE": "2026-01-01T12:00:00+03:00",
    "COST": "0.0000",
    "COST_CURRENCY": "RUR",
    "CALL_FAILED_REASON": "Success call",
    "LINE_NUMBER": "73432723033",
    "CRM_ENTITY_TYPE": "CONTACT",
    "CRM_ENTITY_ID": "13037",
    "LANGUAGE_ID": "ru",
    "FIELDS_BEFORE": _TASK,
    "FIELDS_AFTER": _TASK,
}
_OF_TYPE: Mapping[str, Json] = {"integer": "17", "number": "1.5", "string": "text", "object": {"ID": "1"}}
_ADDRESS, _CURRENCY, _DYNAMIC = "crm_address", "crm_currency", "crm_dynamic_item"


def names(hook: str) -> list[str]:
    """
    Return the names of the samples for the hook *hook*: the events that it may answer, each by its own hook's name.
    """
    return [known.name for known in codes.event_hook_names().get(hook, ())] or [hook]


def sample(hook: str, name: str) -> dict[str, Json]:
    """
    Return an event as the hook *hook* gets it, the caller's own to change.

    Args:
        name: One of `names`, or the event's code.

    Raises:
        SampleError: The hook answers no such event.
    """
    known = names(hook)
    wanted = codes.hook_name(name)
    if wanted not in known:
        raise SampleError(
            f'events/{hook}: sample "{name}" does not exist{meant(wanted, known)} There are: {_some(known)}'
        )
    return example(read_event(_envelope(wanted)))


def describe(name: str) -> str:
    """
    Return one line on when the event comes that a sample is of.
    """
    known = _known(name)
    return known.about if known else "An event that this hookd does not know."


def of_event(given: Json) -> Json:
    """
    Return what a hook gets of *given*, which is an event as a portal posts it; what a hook gets is returned as it is.

    Raises:
        EnvelopeError: It is as a portal posts it, but has no code or no portal.
    """
    return example(read_event(given)) if isinstance(given, dict) and "auth" in given else given


def _envelope(name: str) -> dict[str, Json]:
    known = _known(name)
    code = known.code if known else name.upper()
    fields = {one.name: _value(known, one) for one in known.fields if one.is_required} if known else {"ID": "365"}
    data = fields if known and known.root == "data" else {"FIELDS": fields}
    envelope = {"event": code, "event_handler_id": "71", "ts": TS, "auth": dict(PORTAL)}
    return envelope | ({"data": data} if fields else {})


def _known(name: str) -> Code | None:
    found: dict[str, Code] = {one.name: one for one in codes.events().values()}
    return found.get(name)


def _value(known: Code | None, field: Field) -> Json:
    if known and (found := _special(known, field.name)):
        return found
    if field.name in _VALUES:
        return _VALUES[field.name]
    if field.values:
        return str(field.values[0])
    return [] if field.type == "array" else _OF_TYPE[field.type]


def _special(known: Code, name: str) -> str:
    """What a key holds in one family alone."""
    if known.family == _ADDRESS:
        return {"ENTITY_TYPE_ID": "REQUISITE", "ENTITY_ID": "27"}.get(name, "")
    if known.family == _CURRENCY and name == "ID":
        return "EUR"
    if known.family == "crm_userfield" and name == "ENTITY_ID":
        return "CRM_" + known.code.removeprefix("ONCRM").partition("USERFIELD")[0]
    return "147" if known.family == _DYNAMIC and name == "ENTITY_TYPE_ID" else ""


def _some(known: list[str]) -> str:
    return ", ".join(known[:20]) + (f", … ({len(known)})." if len(known) > 20 else ".")
