"""
What hooks return, made into documents: exact, bounded, the same to every parser.
"""

import json
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.sandbox.language import NotPlain, plain
from hookd.sandbox.language.plain import DEPTH_MAX, INTEGER_LIMIT, NODES_MAX, TEXT_BYTES_MAX

Json = Any

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_LIMIT, INTEGER_LIMIT - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4)
    ),
)


def refused(value: object) -> NotPlain:
    with pytest.raises(NotPlain) as raised:
        plain(value)
    return raised.value


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@given(DOCUMENTS)
def test_documents_stay_as_they_are(document: Json) -> None:
    """
    What is plain data already comes out equal, with the same types, and as a copy.
    """
    made = plain(document)

    assert json.dumps(made) == json.dumps(document)
    assert made is not document or not isinstance(document, list | dict)


def test_tuples_become_lists() -> None:
    """
    A tuple is a list to everybody else; order and keys are kept.
    """
    assert plain(({"b": (1, (2,)), "a": ()}, None)) == [{"b": [1, [2]], "a": []}, None]


class Thing:
    """An object of some class."""


LIES = type("Lies", (dict,), {"items": lambda self: [("a", 1)]})


@pytest.mark.parametrize(
    ("value", "path", "message", "remedy"),
    [
        ({"a": {1, 2}}, "/a", "a value of type set is no plain data.", "Write sorted(value)."),
        ([frozenset()], "/0", "a value of type frozenset is no plain data.", "Write sorted(value)."),
        ({"t": datetime(2024, 5, 1)}, "/t", "a value of type datetime is no plain data.", "clock.iso(value)"),
        (date(2024, 5, 1), "", "a value of type date is no plain data.", "value.isoformat()"),
        (time(10), "", "a value of type time is no plain data.", "value.isoformat()"),
        (timedelta(1), "", "a value of type timedelta is no plain data.", "value.total_seconds()"),
        ({"a": [Decimal(1)]}, "/a/0", "a value of type Decimal is no plain data.", "float(value)"),
        (Counter("a"), "", "a value of type Counter is no plain data.", "Write dict(value)."),
        (OrderedDict(), "", "a value of type OrderedDict is no plain data.", "Write dict(value)."),
        (defaultdict(list), "", "a value of type defaultdict is no plain data.", "Write dict(value)."),
        (deque(), "", "a value of type deque is no plain data.", "Write list(value)."),
        (range(3), "", "a value of type range is no plain data.", "Write list(value)."),
        ({}.keys(), "", "a value of type dict_keys is no plain data.", "Write list(value)."),
        ((n for n in "a"), "", "a value of type generator is no plain data.", "ends with return, not with yield."),
        (map(str, []), "", "a value of type map is no plain data.", "Write list(value)."),
        ({"b": b"x"}, "/b", "a value of type bytes is no plain data.", "Write value.decode()."),
        (refused, "", "a value of type function is no plain data.", "Call it: name()."),
        ("x".upper, "", "a value of type builtin_function_or_method is no plain data.", "Call it: name()."),
        (int, "", "a value of type type is no plain data.", "Make a value of it: name()."),
        ({"x": Thing()}, "/x", "a value of type Thing is no plain data.", "Return texts, numbers, lists and dicts."),
        ({"x": LIES(a=1)}, "/x", "a value of type Lies is no plain data.", "Return texts, numbers, lists and dicts."),
        ({1: "a"}, "", "a key of type int: keys are text.", "Write str(key)"),
        ({"a": [{None: 1}]}, "/a/0", "a key of type NoneType: keys are text.", "Write str(key)"),
        ({"n": float("nan")}, "/n", "nan is no number in JSON.", "Return None, or leave the key out."),
        ([float("-inf")], "/0", "-inf is no number in JSON.", "Return None, or leave the key out."),
        ({"n": INTEGER_LIMIT}, "/n", "this number has more than 64 bits.", "Send it as text: str(value)."),
        ([-INTEGER_LIMIT - 1], "/0", "this number has more than 64 bits.", "Send it as text: str(value)."),
        ({"a/b": {"c~d": {1}}}, "/a~1b/c~0d", "a value of type set is no plain data.", "Write sorted(value)."),
        (
            {"s": "a\ud800"},
            "/s",
            "this text holds half of a character (a lone surrogate), which is no UTF-8.",
            "ignore",
        ),
        ({"\ud800": 1}, "/?", "this text holds half of a character (a lone surrogate), which is no UTF-8.", "ignore"),
    ],
)
def test_says_what_is_no_plain_data(value: object, path: str, message: str, remedy: str) -> None:
    """
    Whoever returns something else is told where it is, what it is, and what to write.
    """
    error = refused(value)

    assert (error.path, error.message) == (path, message)
    assert remedy in error.remedy


def test_depth_is_bounded() -> None:
    """
    64 levels go out, 65 or a list in itself do not, however deep it is.
    """
    endless: list[Json] = []
    endless.append(endless)

    assert plain(nested(DEPTH_MAX)) == nested(DEPTH_MAX)
    for value in (nested(DEPTH_MAX + 1), nested(100_000), endless, {"a": endless}):
        assert refused(value).message == f"this is nested deeper than {DEPTH_MAX} levels, or contains itself."


def test_size_is_bounded() -> None:
    """
    Values and bytes of text are counted where they appear, so that shared lists cannot grow past the limit.
    """
    shared: Json = [1]
    for _ in range(40):
        shared = [shared, shared]

    assert len(plain([0] * (NODES_MAX - 1))) == NODES_MAX - 1
    assert refused([0] * NODES_MAX).message == f"this is more than {NODES_MAX} values."
    assert refused(shared).message == f"this is more than {NODES_MAX} values."
    assert plain("x" * TEXT_BYTES_MAX) == "x" * TEXT_BYTES_MAX
    for value in ("ж" * (TEXT_BYTES_MAX // 2 + 1), ["x" * 1024] * 1025, {"k" * TEXT_BYTES_MAX: "v"}):
        assert refused(value).message == f"this is more than {TEXT_BYTES_MAX} bytes of text."


def test_long_names_are_cut() -> None:
    """
    An error stays short, whatever the keys and classes are called.
    """
    deep: Json = {1}
    for _ in range(50):
        deep = {"k" * 1000: deep}

    assert len(str(refused(deep))) < 2000
    assert len(str(refused(type("X" * 100_000, (), {})()))) < 2000
