"""
What a hook returned, made into a document: exact types, bounded, and the same to every JSON parser.

Nothing of the hook's runs here: values are looked at by exact type and never asked, compared or formatted. The walk is
a loop over its own stack, so no nesting can end it before the limit does.
"""

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, GeneratorType, MappingProxyType, MethodType
from typing import Any

from hookd.sandbox.language.classes import HookClass

Json = Any

DEPTH_MAX = 64  # what PHP, Go and JavaScript parsers take without being told
NODES_MAX = 200_000
TEXT_BYTES_MAX = 1_048_576  # of all texts together, keys included
INTEGER_LIMIT = 2**63  # beyond, parsers that read 64 bits or floats make another number of it

_SHOWN_MAX = 60
_KEYS_SHOWN_MAX = 16

_REMEDIES: Mapping[type, str] = MappingProxyType(
    {
        set: "Write sorted(value).",
        frozenset: "Write sorted(value).",
        datetime: "Write clock.iso(value), or value.isoformat().",
        date: "Write value.isoformat().",
        time: "Write value.isoformat().",
        timedelta: "Write value.total_seconds().",
        Decimal: "Write float(value), or str(value) to keep every digit.",
        Counter: "Write dict(value).",
        OrderedDict: "Write dict(value).",
        defaultdict: "Write dict(value).",
        deque: "Write list(value).",
        range: "Write list(value).",
        map: "Write list(value).",
        filter: "Write list(value).",
        zip: "Write list(value).",
        enumerate: "Write list(value).",
        reversed: "Write list(value).",
        GeneratorType: "Write list(value); a hook itself ends with return, not with yield.",
        type({}.keys()): "Write list(value).",
        type({}.values()): "Write list(value).",
        type({}.items()): "Write dict(value).",
        bytes: "Write value.decode().",
        complex: "Write value.real.",
        FunctionType: "Call it: name().",
        MethodType: "Call it: name().",
        BuiltinFunctionType: "Call it: name().",
        type: "Make a value of it: name().",
        HookClass: "Return a dict with its values.",
    }
)


class NotPlain(Exception):
    """
    What a hook returned is no plain data.

    Attributes:
        path: JSON Pointer to the place; "" is the whole.
        message: What is there, and what is allowed.
        remedy: What to write instead.
    """

    def __init__(self, path: str, message: str, remedy: str) -> None:
        super().__init__(f"{path or '/'}: {message} {remedy}")
        self.path = path
        self.message = message
        self.remedy = remedy


class _Place:
    """A container on the way down: where it is, what is left of it, and its copy."""

    __slots__ = ("copy", "items", "key", "outer")

    def __init__(self, outer: "_Place | None", items: Iterator[tuple[Any, Any]], copy: Any) -> None:
        self.outer = outer
        self.items = items
        self.copy = copy
        self.key: str | int = ""


def plain(value: Any) -> Json:
    """
    Return *value* as a document: dicts with text keys, lists, texts, ints, floats, bools and None; tuples become lists.

    Raises:
        NotPlain: It holds something else, or too much: the path, and what to write instead.
    """
    nodes, text_bytes, depth = 0, 0, 0
    root: list[Any] = []
    place = _Place(None, iter([(0, value)]), root)
    while True:
        pair = next(place.items, None)
        if pair is None:
            if place.outer is None:
                return root[0]
            place, depth = place.outer, depth - 1
            continue
        place.key, item = pair
        nodes += 1
        kind = type(item)
        if kind is str or type(place.copy) is dict:
            text_bytes += _text_bytes(place, item if kind is str else "")
        if nodes > NODES_MAX or text_bytes > TEXT_BYTES_MAX:
            raise _too_much(place, nodes > NODES_MAX)
        if kind is dict or kind is list or kind is tuple:
            copy: Any = {} if kind is dict else []
            _put(place.copy, place.key, copy)
            place = _Place(place, iter(item.items()) if kind is dict else enumerate(item), copy)
            depth += 1
            if depth > DEPTH_MAX:
                raise NotPlain(
                    _path(place.outer),
                    f"this is nested deeper than {DEPTH_MAX} levels, or contains itself.",
                    "Return only what the reply needs.",
                )
        else:
            _put(place.copy, place.key, _scalar(place, item, kind))


def _put(copy: Any, key: Any, value: Any) -> None:
    if type(copy) is dict:
        copy[key] = value
    else:
        copy.append(value)


def _scalar(place: _Place, value: Any, kind: type) -> Any:
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            return value
        raise NotPlain(_path(place), "this number has more than 64 bits.", "Send it as text: str(value).")
    if kind is float:
        if math.isfinite(value):
            return value
        raise NotPlain(_path(place), f"{value} is no number in JSON.", "Return None, or leave the key out.")
    known = HookClass if type(kind) is HookClass else kind
    remedy = _REMEDIES.get(known, "Return texts, numbers, lists and dicts.")
    raise NotPlain(_path(place), f"a value of type {_name(kind)} is no plain data.", remedy)


def _text_bytes(place: _Place, text: str) -> int:
    """Bytes of *text*, and of the key that it is under."""
    key = place.key
    if type(place.copy) is dict and type(key) is not str:
        raise NotPlain(
            _path(place.outer),
            f"a key of type {_name(type(key))}: keys are text.",
            "Write str(key), or {str(key): value for key, value in values.items()}.",
        )
    return _bytes(place, text) + (_bytes(place, key) if type(key) is str else 0)


def _bytes(place: _Place, text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise NotPlain(
            _path(place),
            "this text holds half of a character (a lone surrogate), which is no UTF-8.",
            'Leave it out: text.encode("utf-8", "ignore").decode().',
        ) from None


def _too_much(place: _Place, is_nodes: bool) -> NotPlain:
    limit = f"{NODES_MAX} values" if is_nodes else f"{TEXT_BYTES_MAX} bytes of text"
    return NotPlain(_path(place), f"this is more than {limit}.", "Return only what the reply needs.")


def _path(place: _Place | None) -> str:
    """The pointer to what *place* is looking at."""
    keys: list[str] = []
    while place is not None and place.outer is not None:
        key = str(place.key)
        shown = key if len(key) <= _SHOWN_MAX else key[:_SHOWN_MAX] + "…"
        keys.append(shown.encode(errors="replace").decode().replace("~", "~0").replace("/", "~1"))
        place = place.outer
    cut = ["…"] if len(keys) > _KEYS_SHOWN_MAX else []
    return "".join(f"/{key}" for key in [*keys[: -_KEYS_SHOWN_MAX - 1 : -1], *cut])


def _name(kind: type) -> str:
    name = kind.__name__
    return name if len(name) <= _SHOWN_MAX else name[:_SHOWN_MAX] + "…"
