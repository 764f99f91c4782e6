"""
The request of each point at one moment of a call.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from hookd.points import RECORD_POINT, Point
from hookd.samples.moments import Moment
from hookd.samples.scenarios import DEFAULT_USER, UNSET_TIME, Document, Form, Scenario, Span, User

_RECORDS_PATH = "/var/spool/asterisk/monitor"
_RECORDS_URL = "https://pbx.example.com/records"
_ACTIVITY_ID = 1501


def document(point: Point, scenario: Scenario, moment: Moment) -> Document:
    """
    Return what *point* is asked at one *moment* of a call, the caller's own to change.
    """
    document = _KEYS[point.name](scenario, moment)
    if scenario.form is Form.MINIMAL:
        return {key: {} if isinstance(document[key], dict) else document[key] for key in point.required}
    return document | _call_keys(point, scenario, moment)


def _call_keys(point: Point, scenario: Scenario, moment: Moment) -> Document:
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


def _call_full(scenario: Scenario, moment: Moment) -> Document:
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
        "entity": _entity(scenario) if moment.has_entity else None,
        "is_ivr": not scenario.conversations,
        "record": _record_url(scenario) if is_ended and scenario.is_answered else "",
        "registration": _registration(scenario, moment) if moment.is_registered else None,
        "result": int(scenario.status) if is_ended else 0,
    }


def _call_channel(scenario: Scenario, moment: Moment) -> Document:
    extension = scenario.owner.extension
    line = scenario.trunk if scenario.is_incoming else extension
    name = f"PJSIP/{line}-{scenario.serial:08x}"
    if scenario.is_click_to_call:
        name = f"Local/{line}@from-internal-{scenario.serial:08x};1"
    inside = scenario.trunk if scenario.is_incoming else extension  # the caller dialled the trunk's number
    return {"id": scenario.linkedid, "is_primary": True, "name": name} | _line(
        scenario, scenario.span, inside, at_s=moment.at_s
    )


def _conversation_channel(scenario: Scenario, moment: Moment, index: int) -> Document:
    conversation = scenario.conversations[index]
    extension = conversation.user.extension
    name = f"PJSIP/{extension if scenario.is_incoming else scenario.trunk}-{scenario.serial + 1 + index:08x}"
    return {"id": _conversation_id(scenario, index), "is_primary": False, "name": name} | _line(
        scenario, conversation.span, extension, at_s=moment.at_s
    )


def _line(scenario: Scenario, span: Span, inside: str, *, at_s: int) -> Document:
    """Return what a channel has beside its names, as far as it has happened; *inside* is the number on our side."""

    def time(second_s: int | None) -> str:
        if second_s is None or second_s > at_s:
            return UNSET_TIME
        return f"{scenario.second(second_s):%Y-%m-%d %H:%M:%S}"

    caller, callee = (scenario.number, inside) if scenario.is_incoming else (inside, scenario.number)
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
        "trunk": {"number": scenario.trunk},
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


def _conversation(scenario: Scenario, moment: Moment, index: int) -> Document:
    is_known = moment.has_user or index < moment.told
    return {
        "channel": _conversation_channel(scenario, moment, index),
        "is_parked": False,
        "user": _user(scenario.conversations[index].user) if is_known else None,
    }


def _user(user: User) -> Document:
    phones = [user.extension] if user.extension else []
    return {"id": user.id, "phones": phones, "name": user.name, "email": user.email, "position": user.position}


def _entity(scenario: Scenario) -> Document:
    client = scenario.client
    return {
        "id": str(client.id),
        "is_new": client.is_new,
        "name": scenario.client_name,
        "phones": [scenario.crm_number],
        "raw": {"ID": str(client.id), **client.raw, "ASSIGNED_BY_ID": str(scenario.owner.id)},
        "responsible": _user(scenario.owner),
        "responsible_id": str(scenario.owner.id),
        "type": client.type,
    }


def _registration(scenario: Scenario, moment: Moment) -> Document:
    client = scenario.client
    if not moment.has_entity:
        return {"CALL_ID": scenario.call_id, "CRM_CREATED_LEAD": None, "CRM_CREATED_ENTITIES": []}
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
    extension, client = scenario.conversations[scenario.told].user.extension, scenario.number.lstrip("+")
    ends = f"external-{extension}-{client}" if scenario.is_incoming else f"out-{client}-{extension}"
    return f"{scenario.starts_at:%Y/%m/%d}/{ends}-{started}-{scenario.linkedid}.wav"


def _record_url(scenario: Scenario) -> str:
    return f"{_RECORDS_URL}/{_record_name(scenario)}"


def _type(scenario: Scenario) -> int:
    return 2 if scenario.is_incoming else 1


def _told_user(scenario: Scenario, moment: Moment) -> User:
    return scenario.conversations[moment.told].user if scenario.conversations else DEFAULT_USER


def _subject(scenario: Scenario) -> str:
    if not scenario.is_incoming:
        return f"Исходящий на {scenario.crm_number}"
    return f"Входящий от {scenario.crm_number}" if scenario.is_answered else f"Пропущенный от {scenario.crm_number}"


def _activity(scenario: Scenario, moment: Moment) -> Document:
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


def _final(scenario: Scenario, moment: Moment) -> Document:
    return {
        "ADD_TO_CHAT": 1,
        "CALL_ID": scenario.call_id,
        "DURATION": scenario.duration_s,
        "STATUS_CODE": scenario.status,
        "USER_ID": _told_user(scenario, moment).id,
    }


def _originate(scenario: Scenario, moment: Moment) -> Document:
    user = _told_user(scenario, moment)
    return {
        "caller_id": user.extension,
        "channel": f"Local/{user.extension}@from-internal",
        "context": "from-internal",
        "extension": scenario.number,
        "priority": "1",
        "request_data": {
            "CALL_ID": scenario.call_id,
            "CALL_LIST_ID": "0",
            "CRM_ENTITY_ID": str(scenario.client.id),
            "CRM_ENTITY_TYPE": scenario.client.type.upper(),
            "EXTENSION": "",
            "IS_MOBILE": "0",
            "LINE_NUMBER": scenario.trunk,
            "PHONE_NUMBER": scenario.number,
            "PHONE_NUMBER_INTERNATIONAL": scenario.number,
            "USER_ID": str(user.id),
        },
    }


def _record(scenario: Scenario, moment: Moment) -> Document:
    extension = _told_user(scenario, moment).extension
    caller, callee = (scenario.number, extension) if scenario.is_incoming else (extension, scenario.number)
    path = f"{_RECORDS_PATH}/{_record_name(scenario)}"
    return {"path": path, "call_id": scenario.linkedid, "from": caller, "to": callee}


def _registration_params(scenario: Scenario, moment: Moment) -> Document:
    return {
        "CALL_START_DATE": scenario.starts_at.isoformat(),
        "CRM_CREATE": 1,
        "CRM_SOURCE": "CALL",
        "LINE_NUMBER": scenario.trunk,
        "PHONE_NUMBER": scenario.crm_number,
        "SHOW": 0,
        "TYPE": _type(scenario),
        "USER_ID": _told_user(scenario, moment).id,
    }


def _task(scenario: Scenario, moment: Moment) -> Document:
    missed = "Пропущенный звонок от" if scenario.is_incoming else "Нет ответа на звонок"
    return {
        "fields": {
            "CREATED_BY": DEFAULT_USER.id,
            "DEADLINE": (scenario.second(scenario.ends_s) + timedelta(hours=1)).isoformat(),
            "RESPONSIBLE_ID": _told_user(scenario, moment).id,
            "TITLE": f"{missed} {scenario.crm_number}",
            "UF_CRM_TASK": [f"{scenario.client.prefix}_{scenario.client.id}"] if moment.has_entity else [],
        }
    }


def _autodistribution(scenario: Scenario, moment: Moment) -> Document:
    """Return whom the connector would ring: the responsible of a client that the CRM knows already."""
    client, user = scenario.client, scenario.owner
    if client.is_new:
        no_one = {"number": "", "name": "", "from": scenario.number, "user": None, "entity": None}
        return no_one | {"error": "entity not found"}
    return {
        "number": user.extension,
        "name": user.name,
        "from": scenario.number,
        "user": _user(user),
        "entity": {"type": client.type, "id": client.id, "name": scenario.client_name, "responsible_id": user.id},
        "error": "",
    }


def _record_link(scenario: Scenario, moment: Moment) -> Document:
    url = _record_url(scenario)
    return {
        "DESCRIPTION": f'<audio controls src="{url}"></audio><br><a href="{url}">Запись разговора</a>',
        "DESCRIPTION_TYPE": 3,
        "activity": _activity(scenario, moment),
    }


# The keys of each point beside the call.
_KEYS: Mapping[str, Callable[[Scenario, Moment], Document]] = {
    "customize_activity": lambda scenario, moment: {"activity": _activity(scenario, moment)},
    "customize_entity": lambda scenario, moment: {},
    "need_registration": lambda scenario, moment: {},
    "process_client_phone": lambda scenario, moment: {"phone": scenario.number},
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
