"""
What values are made into: one type for each kind of value, on the way to a hook and on the way back.

PHP writes an empty object as [], connectors send a number as a string or an integer, and a flag in eight ways. A hook
sees one. What stays as it is, is not copied: the call is the largest part of a request and mostly needs no change.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from hookd.documents import Json
from hookd.points import CALLER_NAME_MAX, Point, Shape

AUTODISTRIBUTION = "customize_autodistribution"

_Parts = Mapping[str, "_Parts"]  # the objects inside an object; "*" stands for any key

_CHANNEL: _Parts = {"from": {}, "to": {}, "trunk": {}, "extra": {}}
_PARTS: Mapping[str, _Parts] = MappingProxyType(
    {
        "call_full": {
            "channel": _CHANNEL,
            "conversations": {"*": {"channel": _CHANNEL, "user": {}}},
            "user": {},
            "entity": {},
            "deal": {},
            "registration": {},
        },
        "activity": {"raw": {}, "responsible": {}},
    }
)
_NO_PARTS: _Parts = {}

_TRUE = (True, 1, 1.0, "1", "true")
_FALSE = (False, 0, 0.0, "0", "false")
_FLAGS: Mapping[tuple[type, Json], int] = MappingProxyType(
    {(type(value), value): 1 for value in _TRUE} | {(type(value), value): 0 for value in _FALSE}
)


def conversion(key: str, shape: Shape) -> Callable[[Json], Json] | None:
    """
    Return what makes the value under *key* into its *shape*; None where it stays as it came.

    The conversion leaves a value alone that it cannot read, and never writes to one.
    """
    if shape is Shape.OBJECT:
        return partial(_with_objects, _PARTS.get(key, _NO_PARTS))
    if shape is Shape.FLAG:
        return _flag
    return None if shape is Shape.ANY else _text


def fitted(point: Point, key: str, value: Json) -> Json:
    """
    Return *value* as long as it may be under *key* in a reply of *point*: a caller id name is cut, whoever set it.
    """
    is_name = point.name == AUTODISTRIBUTION and key == "name" and isinstance(value, str)
    return value[:CALLER_NAME_MAX] if is_name else value


def is_same(returned: Json, received: Json) -> bool:
    """
    Return whether a hook handed back in *returned* just what it had got: 1 is neither True nor 1.0, but 1.0 is 1.
    """
    return bool(returned == received) and _is_same_type(returned, received)


def whole(value: Json) -> Json:
    """
    Return *value* with integers for floats that are whole numbers: 35.0 goes out as 35.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


def has_more_values(value: Json, limit: int) -> bool:
    """
    Return whether *value* holds more than *limit* values, nested ones counted.
    """
    open_, count = [value], 1
    while open_:
        part = open_.pop()
        items = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        count += len(items)
        if count > limit:
            return True
        open_.extend(item for item in items if isinstance(item, dict | list))
    return False


def _text(value: Json) -> Json:
    if type(value) is int:
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else value


def _flag(value: Json) -> Json:
    return value if isinstance(value, dict | list) else _FLAGS.get((type(value), value), value)


def _with_objects(parts: _Parts, value: Json) -> Json:
    if not isinstance(value, dict):
        return {} if value == [] else value
    anywhere = parts.get("*")
    inside = parts.items() if anywhere is None else [(key, anywhere) for key in value]
    mended = {}
    for key, inner in inside:
        part = value.get(key)
        if part is not None and (new := _with_objects(inner, part)) is not part:
            mended[key] = new
    return {**value, **mended} if mended else value


def _is_same_type(returned: Json, received: Json) -> bool:
    # Only for values that are equal: what is left to tell apart are numbers and booleans.
    if isinstance(returned, dict):
        return all(_is_same_type(item, received[key]) for key, item in returned.items())
    if isinstance(returned, list):
        return all(map(_is_same_type, returned, received))
    return type(returned) is type(received) or (type(returned) is float and type(received) is int)
