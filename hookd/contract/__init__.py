"""
What the connector asks, made plain for a hook; what a hook changes, made a reply.

A request is refused only where no valid reply can be built from it; everything else that is odd becomes a warning,
since a refused request is a lost call. A hook returns a change: it is laid over the unchanged reply, whose values go
out as they came in, type and all, whatever they are. Only what the hook has set is judged, by the reply schema.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final, Literal

from jsonschema import ValidationError

from hookd.contract import crm
from hookd.contract.changes import instead_of, nested_key, no_change, no_such_key, not_cancellable, set_keys
from hookd.contract.findings import Findings, Side, in_python, kind, missing_key, missing_path, shown
from hookd.contract.schema import SCHEMAS, Check, check_files, file_violations, keys, load, violations
from hookd.contract.shapes import conversion, fitted
from hookd.documents import Json
from hookd.errors import ContractError, ReplyError, Violation
from hookd.points import (
    CALL_KEYS,
    CALLER_NAME_MAX,
    LEGACY_KEYS,
    POINTS,
    RECORD_KEYS,
    RECORD_POINT,
    Point,
    Shape,
    Unchanged,
)

__all__ = [
    "NO_DATA",
    "SCHEMAS",
    "NoData",
    "Outcome",
    "Reply",
    "Request",
    "Side",
    "check_constant",
    "check_files",
    "envelope",
    "file_violations",
    "in_python",
    "instead_of",
    "kind",
    "load",
    "no_such_key",
    "preload",
    "read_change",
    "read_request",
    "unchanged",
    "violations",
]


class NoData(Enum):
    """The type of `NO_DATA`."""

    NO_DATA = "no data"


NO_DATA: Final = NoData.NO_DATA  # a reply that is only a state; None would be data that cancels

PAGE_CHARACTERS_MAX = 1_048_576
_PAGE = {"template": str, "context": dict, "title": str, "html": str}

Outcome = Literal["ok", "unchanged", "cancelled"]
_WORK = {"job": "a job", "event": "the hook of an event"}  # whose returned values have no reader


@dataclass(frozen=True, slots=True)
class Request:
    """
    One question of the connector.

    Attributes:
        point: Where it was asked.
        raw: As received, without a `params` around it. Nobody changes it.
        document: What the hook sees. It shares with raw whatever is the same in both: read it, do not write to it.
        warnings: What is odd about it.
    """

    point: Point
    raw: dict[str, Json]
    document: dict[str, Json]
    warnings: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What goes back.

    Attributes:
        data: The reply's data, or NO_DATA.
        outcome: "ok" where the hook set anything.
        warnings: What the hook's author should know although the reply is valid.
    """

    data: Json | NoData
    outcome: Outcome
    warnings: tuple[Violation, ...]


def preload() -> None:
    """
    Load and compile every schema now (about 10 ms), so that no call has to wait for it.
    """
    load("crm_fields")
    for point in POINTS.values():
        _plan(point.name)
        keys(point.name, "reply")
        if nested := nested_key(point):
            keys(point.name, "reply", nested)


# ---- requests --------------------------------------------------------------------------------------------------


def read_request(point: Point, body: Json) -> Request:
    """
    Return the request of *point* in *body*: the object itself, or the one under its key `params`. A job, an event and a
    placement are their own.

    Raises:
        ContractError: No valid reply can be built: it is no object, or a required key is missing or of a wrong type.
    """
    if point.kind != "point":
        return Request(point, body, body, ())
    raw = _unwrapped(point, body)
    plan = _plan(point.name)
    refused, odd = Findings(), Findings()
    required = _required(point, raw, refused)
    for key, value in raw.items():
        check = plan.checks.get(key)
        if check is not None and (errors := check.errors(value)):
            found = refused if key in required and any(map(_is_of_wrong_type, errors)) else odd
            found.add_errors(errors, "request", (key,))
    if refused:
        raise ContractError(point.name, refused.violations())
    return Request(point, raw, _normalized(point, plan, raw), odd.violations() if odd else ())


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done to each key of a request."""

    checks: Mapping[str, Check]
    conversions: tuple[tuple[str, Callable[[Json], Json]], ...]


@cache
def _plan(name: str) -> _Plan:
    shapes = dict.fromkeys((CALL_KEYS[0], *LEGACY_KEYS), Shape.OBJECT) | dict(POINTS[name].keys)
    conversions = ((key, conversion(key, shape)) for key, shape in shapes.items())
    return _Plan(
        checks=keys(name, "request").checks,
        conversions=tuple((key, convert) for key, convert in conversions if convert is not None),
    )


def _unwrapped(point: Point, body: Json) -> dict[str, Json]:
    if not isinstance(body, dict):
        raise ContractError(point.name, [Violation("", f"the body is {kind(body)}; send a JSON object.")])
    wrapped = body.get("params")
    if isinstance(wrapped, dict):
        return wrapped
    return {} if wrapped == [] else body


def _required(point: Point, raw: Mapping[str, Json], refused: Findings) -> Collection[str]:
    """
    Return the keys whose type decides whether the request is refused; report to *refused* those that are missing.
    """
    if point.name == RECORD_POINT:
        if not any(key in raw for key in RECORD_KEYS):
            refused.add(("path",), lambda: missing_path(RECORD_KEYS))
        return () if isinstance(raw.get(_record_key(raw)), str) else RECORD_KEYS
    for key in point.required:
        if key not in raw:
            schema = _plan(point.name).checks[key].schema
            refused.add((key,), lambda schema=schema: missing_key(schema))  # type: ignore[misc]
    return point.required


def _is_of_wrong_type(error: ValidationError) -> bool:
    # A list with items where an object is meant breaks maxItems: [] is PHP's empty object.
    return not error.absolute_path and error.validator in ("type", "maxItems")


def _record_key(raw: Mapping[str, Json]) -> str:
    return next((key for key in RECORD_KEYS if isinstance(raw.get(key), str)), RECORD_KEYS[0])


def _normalized(point: Point, plan: _Plan, raw: dict[str, Json]) -> dict[str, Json]:
    document = dict(raw)
    if point.name == RECORD_POINT and (received := _record_key(raw)) != "path":
        document["path"] = document.pop(received)
    for key, convert in plan.conversions:
        if key in document:
            document[key] = convert(document[key])
    return document


# ---- replies ---------------------------------------------------------------------------------------------------


def unchanged(request: Request) -> Json | NoData:
    """
    Return the data that keeps the call as it is; NO_DATA where only the state is read.

    Its values are those of the raw request, shared with it.
    """
    point = request.point
    if point.unchanged is Unchanged.NOTHING:
        return NO_DATA
    if point.unchanged is Unchanged.CONSTANT:
        return dict(point.constant)
    data = {}
    for key in point.echo:
        received = _received_key(point, key, request.raw)
        if received in request.raw:
            data[received] = fitted(point, key, request.raw[received])
        elif point.absent is not None:
            data[received] = point.absent
    return data


def read_change(request: Request, change: Json, *, is_cancel: bool) -> Reply:
    """
    Return the reply that *change*, what the request's hook returned, makes of the unchanged one.

    Args:
        is_cancel: Whether the hook returned CANCEL; *change* is not looked at then.

    Raises:
        ReplyError: What the hook set breaks the contract; all violations at once, in the hook's order.
    """
    point = request.point
    if is_cancel:
        return _cancelled(point)
    if point.is_placement:
        return _page(change)
    if point.unchanged is Unchanged.NOTHING:
        return _ignored(point, change)
    if not isinstance(change, dict | None):
        raise ReplyError([Violation("", no_change(point, change))])
    found = Findings()
    changes = set_keys(point, request.document, change or {}, found)
    if found:
        raise ReplyError(found.violations())
    data = _laid_over(point, request, changes)
    return Reply(data, "ok" if changes else "unchanged", _warnings(point, request, change or {}, changes))


def envelope(data: Json | NoData) -> dict[str, Json]:
    """
    Return the reply as the connector reads it.
    """
    return {"state": "success"} if data is NO_DATA else {"data": data, "state": "success"}


def check_constant(point: Point, data: Json) -> list[Violation]:
    """
    Return what is wrong with *data* as a constant reply of *point*; {} cancels, where there is anything to cancel.
    """
    if point.unchanged is Unchanged.NOTHING:
        return [Violation("", "this point's reply has no data. Leave the constant out.")]
    if data == {}:
        return [] if point.cancels else [Violation("", not_cancellable(point, "empty data"))]
    return violations(point.name, "reply", data)


def _received_key(point: Point, key: str, raw: Mapping[str, Json]) -> str:
    return _record_key(raw) if point.name == RECORD_POINT else key


def _cancelled(point: Point) -> Reply:
    if not point.cancels:
        raise ReplyError([Violation("", not_cancellable(point, "CANCEL"))])
    return Reply({}, "cancelled", ())


def _ignored(point: Point, change: Json) -> Reply:
    if change is None or change == {}:
        return Reply(NO_DATA, "ok" if point.is_durable else "unchanged", ())
    what = f"nobody reads what {_WORK[point.kind]} returns" if point.is_durable else "this point's reply has no data"
    return Reply(NO_DATA, "ok", (Violation("", f"{shown(change)} is ignored: {what}."),))


def _page(change: Json) -> Reply:
    """The reply with the page that a worker made; one that was taken over may say anything."""
    if change is None or change == {}:
        return Reply(NO_DATA, "unchanged", ())
    if type(change) is not dict or {key: type(value) for key, value in change.items()} != _PAGE:
        raise ReplyError([Violation("", "is no page.")])
    if len(change["html"]) > PAGE_CHARACTERS_MAX or len(change["title"]) > PAGE_CHARACTERS_MAX:
        raise ReplyError([Violation("", f"the page is longer than {PAGE_CHARACTERS_MAX} characters.")])
    return Reply(change, "ok", ())


def _laid_over(point: Point, request: Request, changes: Mapping[str, Json]) -> Json:
    data: Json = unchanged(request)
    nested = nested_key(point)
    for key, value in changes.items():
        received = _received_key(point, key, request.raw)
        base = data.get(received) if key == nested else None
        data[received] = {**base, **value} if isinstance(base, dict) else value
    return data


def _warnings(
    point: Point, request: Request, change: Mapping[str, Json], changes: Mapping[str, Json]
) -> tuple[Violation, ...]:
    found = Findings()
    if "CALL_ID" in changes:
        received = shown(request.document.get("CALL_ID"))
        found.add(("CALL_ID",), lambda: f"changed from {received}; the connector's vendor advises against it.")
    if changes.get("SHOW") == 1:
        found.add(("SHOW",), lambda: "the call card has a point of its own, customize_show_call_card; leave this 0.")
    name = change.get("name", request.raw.get("name"))
    if fitted(point, "name", name) != name:
        found.add(("name",), lambda: f"{shown(name)} has {len(name)} characters; cut to {CALLER_NAME_MAX}.")
    nested = nested_key(point)
    if point.is_open or nested:
        values = changes.get(nested, {}) if nested else changes
        crm.warn(crm.fields(point.name, request.document), values, (nested,) if nested else (), found)
    return found.violations()
