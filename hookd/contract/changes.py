"""
What a hook really changes, of all that it returned, and what is wrong with it.

A hook may hand back keys that it was given: unaltered they say nothing. What is left, it has set, and that alone is
judged by the reply schema. Names are judged first: a key that no reply has is nearly always a typing error, and is
answered with the name that was meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hookd.contract import crm
from hookd.contract.findings import Findings, Place, in_python, kind, shown, unknown_key
from hookd.contract.schema import Keys, keys
from hookd.contract.shapes import fitted, has_more_values, is_same, whole
from hookd.documents import Json
from hookd.names import nearest
from hookd.points import CALL_KEYS, LEGACY_KEYS, POINTS, Point, Shape, Unchanged

# Checking what is set holds up the calls of others, 20 µs a key.
MAX_SET_KEYS = 1000
MAX_SET_VALUES = 10_000  # in all, nested ones counted

_INSTEAD_OF_CANCEL: Mapping[str, str] = MappingProxyType(
    {"need_registration": 'To keep the conversation out of the CRM return {"result": False}.'}
)


_NESTED_KEYS: Mapping[str, str | None] = MappingProxyType(
    {
        point.name: next((key for key in point.echo if point.keys.get(key) is Shape.OBJECT), None)
        for point in POINTS.values()
    }
)


@dataclass(frozen=True, slots=True)
class _Level:
    """
    One object of a change.

    Attributes:
        point: Whose hook returned it.
        known: What the reply's object may hold.
        received: The same object as the hook was given it.
        place: Where it is in the reply.
    """

    point: Point
    known: Keys
    received: Mapping[str, Json]
    place: Place = ()


def set_keys(
    point: Point, document: Mapping[str, Json], change: Mapping[str, Json], found: Findings
) -> dict[str, Json]:
    """
    Return what *change* sets of the reply, where the hook of *point* was given *document*.

    An object that is changed one level deeper holds only what is set in it. All that is wrong goes to *found*.
    """
    return _set_keys(_Level(point, keys(point.name, "reply"), document), change, found)


def nested_key(point: Point) -> str | None:
    """
    Return the key of the reply that is changed one level deeper; None where there is none.
    """
    return _NESTED_KEYS[point.name]


def no_change(point: Point, returned: Json) -> str:
    """
    Return the message for a hook that returned something that is no change.
    """
    return f"the hook returned {shown(returned)}, which is {kind(returned)}. {instead_of(point, returned)}"


def instead_of(point: Point, returned: Json) -> str:
    """
    Return what the hook of *point* can return instead of *returned*, which is no change.
    """
    example = ", ".join(f'"{key}": …' for key in point.echo[:1]) or '"TITLE": …'
    if len(point.echo) == 1 and not keys(point.name, "reply").checks[point.echo[0]].errors(returned):
        example = f'"{point.echo[0]}": {in_python(returned)}'
    return f"Return a dict of what you change, such as {{{example}}}, or nothing to change nothing."


def no_such_key(point: Point, name: str) -> str:
    """
    Return what is wrong with the key *name* in what a hook of *point* returns, whatever the request; "" where it may be
    right: a key of the request may come back as it was.
    """
    level = _Level(point, keys(point.name, "reply"), {})
    may_be = level.known.names is not None or name in level.known.checks or name in _request_keys(point)
    return "" if may_be else _no_key(level, name)


def not_cancellable(point: Point, what: str) -> str:
    """
    Return the message for *what* (CANCEL, or empty data) at a point where there is no CRM request to cancel.
    """
    where = ", ".join(each.name for each in POINTS.values() if each.cancels)
    instead = _INSTEAD_OF_CANCEL.get(point.name, "Return a dict of what you change, or nothing to change nothing.")
    return f"{what} means nothing here: no CRM request follows. It works at {where}. {instead}"


def _set_keys(level: _Level, change: Mapping[str, Json], found: Findings) -> dict[str, Json]:
    given = {name: value for name, value in change.items() if not _is_left_alone(level, name, value)}
    if len(given) > MAX_SET_KEYS or has_more_values(given, MAX_SET_VALUES):
        what = f"more than {MAX_SET_KEYS} keys" if len(given) > MAX_SET_KEYS else f"more than {MAX_SET_VALUES} values"
        found.add(level.place, lambda: f"{what} are set. Set only what the CRM shall write.")
        return {}
    changes = {}
    for name, value in given.items():
        below = _below(level, name, value)
        new = fitted(level.point, name, whole(value)) if below is None else _set_keys(below, value, found)
        if below is None and not _is_right(level, name, new, found):
            continue
        if below is None or new:
            changes[name] = new
    return changes


def _is_left_alone(level: _Level, name: str, value: Json) -> bool:
    # need_registration's result is the hook's decision even where a request happens to hold a key of that name.
    is_decision = level.point.unchanged is Unchanged.CONSTANT and name in level.point.echo
    return name in level.received and not is_decision and is_same(value, level.received[name])


def _below(level: _Level, name: str, value: Json) -> _Level | None:
    if level.place or name != nested_key(level.point) or not isinstance(value, dict):
        return None
    received = level.received.get(name)
    inside = keys(level.point.name, "reply", name)
    return _Level(level.point, inside, received if isinstance(received, dict) else {}, (name,))


def _is_right(level: _Level, name: str, value: Json, found: Findings) -> bool:
    """
    Return whether *value* may stand under *name*; if not, tell *found* why.
    """
    place = (*level.place, name)
    check = level.known.checks.get(name)
    if check is None:
        return _is_right_name(level, name, found)
    errors = check.errors(value)
    found.add_errors(errors, "reply", place)
    return not errors


def _is_right_name(level: _Level, name: str, found: Findings) -> bool:
    if level.known.names is None:
        found.add((*level.place, name), lambda: _no_key(level, name))
    elif not level.place and name in _request_keys(level.point):
        found.add((name,), lambda: _no_field(name))
    elif level.known.names.errors(name):
        found.add((*level.place, name), lambda: _no_field_name(level, name))
    else:
        return True
    return False


def _request_keys(point: Point) -> frozenset[str]:
    return frozenset((*point.keys, *CALL_KEYS, *LEGACY_KEYS, "params")) - {*point.echo}


def _no_key(level: _Level, name: str) -> str:
    known = level.known.checks
    nested = nested_key(level.point)
    if nested is not None and name in crm.fields(level.point.name, level.received).names:
        return f'the fields of the task go one level deeper: return {{"{nested}": {{"{name}": …}}}}.'
    if name in _request_keys(level.point):
        return f"this is a key of the request, and a reply has none such. Keys: {', '.join(sorted(known))}."
    return unknown_key(name, known)


def _no_field(name: str) -> str:
    return f"{name} is a key of the request and not a field of the CRM. Return the fields themselves, by their names."


def _no_field_name(level: _Level, name: str) -> str:
    meant = nearest(name, crm.fields(level.point.name, level.received).names)
    hint = f"; did you mean {meant}?" if meant else "."
    return f"names of CRM fields have capital letters, digits and _ only, 100 at most{hint}"
