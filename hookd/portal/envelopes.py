"""
What a portal posts, taken apart: who says it, what proves it, and what a hook gets to see of it.

An event or a placement is read with patience. Only what nothing can be done without is required (a code, a member_id);
whatever else is odd is a warning, since the portal sends an event once and never again. Nothing here believes anything:
that the sender is the portal it names is for `trust` to find out. Tokens stand apart from what hooks see, and are in no
repr.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hookd import contract, documents
from hookd.documents import Json
from hookd.errors import EnvelopeError, NotJsonError, Violation
from hookd.portal import codes

STATUSES = (
    "L",
    "F",
    "D",
    "T",
    "P",
    "S",
)  # local, free, demo, trial, paid; subscription, which the reference leaves out
CALL_CARD = "CALL_CARD"
NUMBER_DIGITS = 15
OBJECT_CHARACTERS = 200  # of what tells objects apart: numbers, and ids of calls with 60
SECRETS = frozenset(
    {"access_token", "refresh_token", "application_token", "AUTH_ID", "REFRESH_ID", "APPLICATION_TOKEN", "TOKEN"}
)

_MEMBER = re.compile(r"[A-Za-z0-9_.-]{1,64}")  # 32 hexadecimal digits, as far as is known
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}")
_SEPARATORS = re.compile(r"[\s,]+")  # of scopes: commas from the authorization server, blanks in the reference
_SESSION = re.compile(r"(?i)(sessid=)[0-9a-z]+")  # the user's session in the portal: nobody else's business
# Keys that name an object, the first that are all there; of tasks they stand one level deeper.
_IDENTITIES = (("ENTITY_TYPE_ID", "ID"), ("ID",), ("CALL_ID",), ("POST_ID",), ("id",), ("ENTITY_TYPE_ID", "ENTITY_ID"))
_SIDES = ("FIELDS_AFTER", "FIELDS_BEFORE")
_NOTHING = ("", "0", "undefined", "null")  # what a call card writes where there is no object
_EVENT_SCHEMAS = frozenset(
    {"crm_activity", "crm_address", "crm_bank_detail", "crm_company", "crm_contact", "crm_deal", "crm_deal_recurring"}
    | {"crm_lead", "crm_requisite", "crm_userfield", "telephony"}
)
_PLACEMENT_SCHEMAS = frozenset({"crm_detail_activity", "call_card"})


@dataclass(frozen=True, slots=True)
class Claim:
    """
    Who the sender says it is, and what it shows for it.

    Attributes:
        member_id: The portal's id, which stays.
        domain: The portal's host, which may be renamed; not believed before the claim is proven.
        server_endpoint: Which authorization server it belongs to; not believed either.
        status: Kind of the app, one of STATUSES; "" for an outgoing webhook.
        scopes: What the app may do.
        user_id: The user whose tokens come along; None where it is not said.
        expires_in_s: Seconds that the access token is good for.
        application_token, access_token, refresh_token: The secrets; "" where there is none.
    """

    member_id: str
    domain: str = ""
    server_endpoint: str = ""
    status: str = ""
    scopes: tuple[str, ...] = ()
    user_id: int | None = None
    expires_in_s: int = 3600
    application_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)

    def document(self) -> dict[str, Json]:
        """Return what a hook sees of the portal."""
        return {
            "member_id": self.member_id,
            "domain": self.domain,
            "status": self.status,
            "scopes": list(self.scopes),
        }


@dataclass(frozen=True, slots=True)
class Event:
    """
    One event.

    Attributes:
        code: In capitals, whatever the sender wrote.
        handler_id: Id of the binding; "" where it is not said.
        at: When it happened, seconds since 1970; None where it is not said.
        data: As sent; None where there is none.
        warnings: What is odd about it.
    """

    code: str
    handler_id: str
    at: int | None
    data: Json
    claim: Claim
    warnings: tuple[Violation, ...] = ()

    @property
    def fields(self) -> dict[str, Json]:
        """What it happened to: data.FIELDS, else data itself where that is an object."""
        if not isinstance(self.data, dict):
            return {}
        fields = self.data.get("FIELDS", self.data)
        return fields if isinstance(fields, dict) else {}

    @property
    def key(self) -> str | None:
        """
        What two deliveries of the same event have in common; None where it does not say when it happened.

        Two changes in one second count as one. Both say no more than which object to read, and the hook reads it when
        that second is over (`events`).
        """
        if self.at is None:
            return None
        parts = [self.claim.member_id, self.handler_id, self.code, self.at, _sorted(self.data)]
        return hashlib.sha256(documents.dump(parts)).hexdigest()

    @property
    def object_key(self) -> str:
        """What events on the same object have in common: they are handled one after the other."""
        family = codes.event(self.code)
        kind = (family and family.family) or self.code.lower()
        number = _identity(self.fields)
        return f"{kind}:{number}"[:OBJECT_CHARACTERS] if number else kind

    def document(self) -> dict[str, Json]:
        """Return what a hook gets as `event`."""
        return {
            "code": self.code,
            "handler_id": self.handler_id,
            "at": self.at,
            "data": {} if self.data is None else self.data,
            "fields": self.fields,
            "user_id": self.claim.user_id,
            "portal": self.claim.document(),
        }


@dataclass(frozen=True, slots=True)
class Placement:
    """
    One opening of a page of the app.

    Attributes:
        code: In capitals.
        options: What the page is about, in plain values.
        raw: The same as the portal sent it.
        uri: Path and query of the page around it; "" where it is not said.
        language: Of the portal's pages for this user, in lower case.
        session: Id of this opening (APP_SID); "" where it is not said.
        is_https: Whether the portal is reached by https.
        warnings: What is odd about it.
    """

    code: str
    options: dict[str, Json]
    raw: Json
    uri: str
    language: str
    session: str
    is_https: bool
    claim: Claim
    warnings: tuple[Violation, ...] = ()

    def document(self) -> dict[str, Json]:
        """Return what a hook gets as `placement`."""
        return {
            "code": self.code,
            "options": self.options,
            "raw": self.raw,
            "entity_type_id": codes.entity_type_id(self.code),
            "uri": self.uri,
            "language": self.language,
            "user_id": self.claim.user_id,
            "portal": self.claim.document(),
        }


def read_event(fields: Mapping[str, Json]) -> Event:
    """
    Return the event that the *fields* of a body are.

    Raises:
        EnvelopeError: There is no code, or no portal.
    """
    code = _code(fields, "event", "the code of an event, such as ONCRMLEADADD")
    auth = fields.get("auth")
    if not isinstance(auth, dict):
        raise EnvelopeError("auth: missing; the fields auth[member_id] and auth[application_token] are expected")
    claim = Claim(
        member_id=_member(auth, "auth[member_id]"),
        domain=_text(auth, "domain").lower(),
        server_endpoint=_text(auth, "server_endpoint"),
        status=_status(auth),
        scopes=_scopes(auth.get("scope")),
        user_id=_number(auth.get("user_id")),
        expires_in_s=_number(auth.get("expires_in")) or 3600,
        application_token=_text(auth, "application_token"),
        access_token=_text(auth, "access_token"),
        refresh_token=_text(auth, "refresh_token"),
    )
    # Telephone systems' portals write eventId where others write event_handler_id, so says the reference.
    handler_id = _text(fields, "event_handler_id") or _text(fields, "eventId")
    data = fields.get("data")
    return Event(code, handler_id, _number(fields.get("ts")), data, claim, _event_warnings(fields, code))


def read_placement(query: Mapping[str, Json], body: Mapping[str, Json]) -> Placement:
    """
    Return the placement that a *query* string and a *body* are together; of what is in both, the body counts.

    Raises:
        EnvelopeError: There is no code, or no portal.
    """
    fields = {**query, **body}
    code = _code(fields, "PLACEMENT", "the code of a place, such as CALL_CARD")
    claim = Claim(
        member_id=_member(fields, "member_id"),
        domain=_text(fields, "DOMAIN").lower(),
        server_endpoint=_text(fields, "SERVER_ENDPOINT"),
        status=_status(fields),
        scopes=_scopes(fields.get("APPLICATION_SCOPE")),
        expires_in_s=_number(fields.get("AUTH_EXPIRES")) or 3600,
        application_token=_text(fields, "APPLICATION_TOKEN"),
        access_token=_text(fields, "AUTH_ID"),
        refresh_token=_text(fields, "REFRESH_ID"),
    )
    known = codes.placement(code)
    wanted = (known and known.family) or codes.hook_name(code)
    schema = wanted if wanted in _PLACEMENT_SCHEMAS else codes.OTHER
    warnings = _warnings(f"placements/{schema}", {**fields, "PLACEMENT": code})
    raw, more = _options(fields.get("PLACEMENT_OPTIONS"))
    options = dict(raw) if isinstance(raw, dict) else {}
    uri = options.pop("URI", "")
    return Placement(
        code,
        _call_card(options) if code == CALL_CARD else options,
        raw,
        uri if isinstance(uri, str) else "",
        language=_text(fields, "LANG").lower(),
        session=_text(fields, "APP_SID"),
        is_https=_text(fields, "PROTOCOL") != "0",
        claim=claim,
        warnings=(*warnings, *more),
    )


def preload() -> None:
    """
    Load what is known of events and placements now (about 5 ms), so that no portal has to wait for it.
    """
    codes.events()
    codes.placements()
    for directory, names in (("events", _EVENT_SCHEMAS), ("placements", _PLACEMENT_SCHEMAS)):
        for name in (*names, codes.OTHER):
            contract.file_violations(f"{directory}/{name}", {})


def _event_warnings(fields: Mapping[str, Json], code: str) -> tuple[Violation, ...]:
    known = codes.event(code)
    family = known.family if known and known.family in _EVENT_SCHEMAS else codes.OTHER
    return _warnings(f"events/{family}", {**fields, "event": code})


def _warnings(schema: str, document: Json) -> tuple[Violation, ...]:
    """What is wrong with *document*; a secret that is odd is not written out."""
    found = contract.file_violations(schema, document)
    return tuple(
        Violation(one.path, "is not as it should be; it is secret, so it is not shown")
        if one.path.rpartition("/")[2] in SECRETS and "missing" not in one.message
        else one
        for one in found
    )


def _options(value: Json) -> tuple[Json, list[Violation]]:
    """Return what PLACEMENT_OPTIONS holds, {} where that is nothing or cannot be read, and what is odd about it."""
    if value is None or value in ("", [], "[]"):  # PHP's empty map
        return {}, []
    if isinstance(value, str):
        try:
            value = documents.parse(_SESSION.sub(r"\1***", value).encode())
        except NotJsonError as error:
            return value, [Violation("/PLACEMENT_OPTIONS", f"is no JSON: {error}; the options count as empty")]
    if isinstance(value, dict):
        return value, []
    return value, [Violation("/PLACEMENT_OPTIONS", "is no object; the options count as empty")]


def _call_card(options: Mapping[str, Json]) -> dict[str, Json]:
    """
    The call card's options with one value for «there is none»: None for ids, "" for texts, a list, a boolean.

    The portal writes "0", "undefined", "" or nothing at all, and its booleans as words.
    """
    bindings = options.get("CRM_BINDINGS")
    return {
        **options,
        "CALL_ID": _text(options, "CALL_ID"),
        "PHONE_NUMBER": _text(options, "PHONE_NUMBER"),
        "LINE_NUMBER": _text(options, "LINE_NUMBER"),
        "LINE_NAME": _text(options, "LINE_NAME"),
        "CRM_ENTITY_TYPE": _present(options.get("CRM_ENTITY_TYPE")),
        "CRM_ENTITY_ID": _present(options.get("CRM_ENTITY_ID")),
        "CRM_BINDINGS": bindings if isinstance(bindings, list) else [],
        "CRM_ACTIVITY_ID": _present(options.get("CRM_ACTIVITY_ID")),
        "CALL_DIRECTION": _text(options, "CALL_DIRECTION"),
        "CALL_STATE": _text(options, "CALL_STATE"),
        "CALL_LIST_MODE": options.get("CALL_LIST_MODE") in (True, "true", "1", 1),
    }


def _present(value: Json) -> str | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return None if text in _NOTHING else text


def _code(fields: Mapping[str, Json], key: str, what: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise EnvelopeError(f"{key}: {what} is expected: letters, digits, dots and _, 100 at most")
    return value.upper()


def _member(fields: Mapping[str, Json], shown: str) -> str:
    value = fields.get("member_id")
    if not isinstance(value, str) or not _MEMBER.fullmatch(value):
        raise EnvelopeError(f"{shown}: the portal's id is expected: up to 64 letters and digits")
    return value


def _text(fields: Mapping[str, Json], key: str) -> str:
    value = fields.get(key, "")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(value: Any) -> int | None:
    """The number that a field holds, as text or in JSON; None where it is none, or one that no portal has."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 10**NUMBER_DIGITS else None
    is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= NUMBER_DIGITS
    return int(value) if is_digits else None


def _status(fields: Mapping[str, Json]) -> str:
    status = _text(fields, "status")
    return status if status in STATUSES else ""


def _scopes(value: Json) -> tuple[str, ...]:
    return tuple(scope for scope in _SEPARATORS.split(value) if scope) if isinstance(value, str) else ()


def _identity(fields: Mapping[str, Json]) -> str:
    """What the object of an event is called among its kind; "" where it is not said."""
    for place in (fields, *(fields[side] for side in _SIDES if isinstance(fields.get(side), dict))):
        for names in _IDENTITIES:
            texts = [_text(place, name) for name in names]
            if all(texts):
                return ".".join(texts)
    return ""


def _sorted(value: Json) -> Json:
    """*value* with the keys of its objects in order: the same data counts as the same whichever order it came in."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
