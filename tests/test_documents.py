"""
Documents are read strictly: what two parsers would read differently is refused, with the place.
"""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.documents import EXPLAINED_BYTES, MAX_DEPTH, dump, parse, pointer
from hookd.errors import NotJsonError

BAD = [
    (b"", "line 1, column 1, at /: the body is empty"),
    (b"  \n", "line 2, column 1, at /: the body is empty"),
    (b"nope", "line 1, column 1, at /: a JSON value is expected here"),
    (b"{", "line 1, column 2, at /: a key in double quotes is expected here"),
    (b"{'a':1}", "line 1, column 2, at /: a key in double quotes is expected here"),
    (b'{"a":1,}', "line 1, column 8, at /: a key in double quotes is expected here"),
    (b'{"a" 1}', "line 1, column 6, at /a: a colon is expected here"),
    (b'{"a":1 "b":2}', "line 1, column 8, at /: a comma or the object's end is expected here"),
    (b"[1 2]", "line 1, column 4, at /: a comma or the list's end is expected here"),
    (b'{"a":1}\n{}', "line 2, column 1, at /: the document ends here, but more follows"),
    (b'{"a":"\x01"}', "line 1, column 7, at /a: invalid control character"),
    (b'{"x":{"b":1,\n"b":2}}', "line 2, column 1, at /x/b: the key 'b' stands twice in this object; send it once"),
    (b'{"a":NaN}', "line 1, column 6, at /a: NaN is not JSON; send null or a number"),
    (b'{"a":[-Infinity]}', "line 1, column 7, at /a/0: -Infinity is not JSON; send null or a number"),
    (b'{"a":1e400}', "line 1, column 6, at /a: the number 1e400 is too large for a double"),
    (b'{"a":-1e400}', "line 1, column 6, at /a: the number -1e400 is too large for a double"),
    (b"1" * 5000, "line 1, column 1, at /: the number has 5000 digits; 4000 at most"),
    (rb'{"a":"\ud800"}', "line 1, column 6, at /a: the string holds half of a surrogate pair, which is no character"),
    (rb'{"\udc00":1}', "line 1, column 2, at /: the string holds half of a surrogate pair, which is no character"),
    (b'{"a":"\xff"}', "byte 6 is not UTF-8; send the document as UTF-8"),
    (
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        "line 1, column 65, at /0/0/0/0/0/0/0/0: objects and lists lie more than 64 deep in one another",
    ),
    (
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "line 1, column 321, at /a/a/a/a/a/a/a/a: objects and lists lie more than 64 deep in one another",
    ),
    (
        b"[" * 300 + b"]" * 300,
        "line 1, column 65, at /0/0/0/0/0/0/0/0: objects and lists lie more than 64 deep in one another",
    ),
    (b"[" * 200_000, "objects and lists lie more than 64 deep in one another"),
    (b'{"a":"' + b"x" * EXPLAINED_BYTES + b'","b":1,"b":2}', "an object has the same key twice"),
]


@pytest.mark.parametrize(("body", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_refuses_with_the_place(body: bytes, message: str) -> None:
    """
    Whoever sent bad JSON learns what is wrong, and where.
    """
    with pytest.raises(NotJsonError) as caught:
        parse(body)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, MAX_DEPTH),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\\ud800"', r"\ud800"),
        (b'{"": {"": null}}', {"": {"": None}}),
        (b"12345678901234567890", 12345678901234567890),
        (b"[" + b"{}," * 100 + b"{}]", [{}] * 101),
    ],
)
def test_takes_what_is_odd_but_json(body: bytes, document: Any) -> None:
    """
    Depth up to the limit, a byte order mark, escaped pairs, empty keys and long integers are JSON.
    """
    found = parse(body)

    depth = 0
    while document == MAX_DEPTH and isinstance(found, list):
        found, depth = (found[0] if found else None), depth + 1
    assert (depth or found) == document


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_what_is_written_is_read_back(document: Any) -> None:
    """
    Every document survives the way out and in again, and json reads the same.
    """
    body = dump(document)

    assert parse(body) == document == json.loads(body)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,0e.\\u19d-ntf ', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """
    No body raises anything but NotJsonError, and none is refused that a strict reader takes.
    """
    with contextlib.suppress(NotJsonError):
        assert parse(body) == json.loads(body.decode("utf-8-sig"))


def test_points_into_documents() -> None:
    """
    Pointers escape as RFC 6901 says.
    """
    assert pointer(["a/b", "c~d", 0, ""]) == "/a~1b/c~0d/0/"
    assert pointer([]) == ""
