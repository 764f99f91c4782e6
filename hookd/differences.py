"""
Where two JSON documents differ, by JSON Pointer.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hookd.documents import Json, pointer

SHOWN_CHARACTERS = 300  # of a value in a line for people; --format json has it whole


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING  # there is no such key or item; None is JSON's null


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One place where two documents differ.

    Attributes:
        path: JSON Pointer; "" is the document itself.
        expected: What should be there, or MISSING.
        actual: What is there, or MISSING.
        is_part: Whether *expected* is a text that should have stood somewhere in *actual*.
    """

    path: str
    expected: Json | Missing
    actual: Json | Missing
    is_part: bool = False

    def __str__(self) -> str:
        verb = "expected to contain" if self.is_part else "expected"
        return f"{self.path or '/'}: {verb} {shown(self.expected)}, actual {shown(self.actual)}"


def differences(expected: Json, actual: Json, place: tuple[str | int, ...] = ()) -> Iterator[Difference]:
    """
    Yield where *actual* differs from *expected*, in the order of *expected*; *place* goes before every path.

    Types count: true is not 1, "1" is not 1. The order of keys does not, nor does 1.0 for 1.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in (*expected, *(key for key in actual if key not in expected)):
            yield from differences(expected.get(key, MISSING), actual.get(key, MISSING), (*place, key))
    elif isinstance(expected, list) and isinstance(actual, list):
        for index in range(max(len(expected), len(actual))):
            yield from differences(_item(expected, index), _item(actual, index), (*place, index))
    elif not _is_same(expected, actual):
        yield Difference(pointer(place), expected, actual)


def shown(value: Json | Missing) -> str:
    """
    Return *value* as JSON in one line, shortened; "nothing" where it is missing.
    """
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _item(items: list[Json], index: int) -> Json | Missing:
    return items[index] if index < len(items) else MISSING


def _is_same(one: Json, other: Json) -> bool:
    is_boolean = isinstance(one, bool), isinstance(other, bool)
    return is_boolean[0] == is_boolean[1] and bool(one == other)
