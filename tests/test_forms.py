"""
Forms mean here what they mean to PHP: held against a real one.
"""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hookd.documents import MAX_DEPTH
from hookd.errors import NotFormError, NotJsonError
from hookd.portal.forms import MAX_BODY_BYTES, MAX_VARIABLES, merged, parse, parse_fields
from tests.conftest import free_port

SCRIPT = Path(__file__).parent / "php_variables.php"
START_S = 20.0
EVENT = (
    b"event=ONCRMLEADADD&data%5BFIELDS%5D%5BID%5D=365&ts=1545851621&auth%5Bdomain%5D=acme.bitrix24.com"
    b"&auth%5Bmember_id%5D=a223c6b3710f85df22e9377d6c4f7553"
)

MEANT = [
    (b"", {}),
    (b"&&a=1&&", {"a": "1"}),
    (b"a", {"a": ""}),
    (b"a=1=2", {"a": "1=2"}),
    (b"=1", {}),
    (b"[a]=1", {}),
    (b"a=1&a=2", {"a": "2"}),
    (b"a=1;b=2", {"a": "1;b=2"}),
    (b"a=b+c%20d%2B", {"a": "b c d+"}),
    (b"a=%&b=%4&c=%zz&d=%41", {"a": "%", "b": "%4", "c": "%zz", "d": "A"}),
    (b"a.b c=1", {"a_b_c": "1"}),
    (b"  a=1", {"a": "1"}),
    (b"a[b.c d]=1", {"a": {"b.c d": "1"}}),
    (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
    (b"a[ ]=1&a[ b]=2", {"a": {"0": "1", " b": "2"}}),
    (b"a[0]=1&a[1]=2", {"a": ["1", "2"]}),
    (b"a[1]=1&a[0]=2", {"a": {"1": "1", "0": "2"}}),
    (b"a[5]=1&a[]=2", {"a": {"5": "1", "6": "2"}}),
    (b"a[05]=1&a[]=2", {"a": {"05": "1", "0": "2"}}),
    (b"a[9223372036854775807]=1&a[]=2", {"a": {"9223372036854775807": "1"}}),
    (b"a[9223372036854775808]=1&a[]=2", {"a": {"9223372036854775808": "1", "0": "2"}}),
    (b"data=1&data[x]=2", {"data": {"x": "2"}}),
    (b"data[x]=2&data=1", {"data": "1"}),
    (b"a[b]c=1", {"a": {"b": "1"}}),
    (b"a[b]c[d]=1", {"a": {"b": "1"}}),
    (b"a[b.c=1", {"a_b_c": "1"}),
    (b"a[b[c=1", {"a_b_c": "1"}),
    (b"a[b][c=1", {"a": {"b": "1"}}),
    (b"a[][c=1", {"a": ["1"]}),
    (b"a[b[c]=1", {"a": {"b[c": "1"}}),
    (b"a]b=1", {"a]b": "1"}),
    (b"a%00b=1%002", {"a": "1\0002"}),
    (b"..Host-a=1&__Host-a=2", {"__Host-a": "2"}),
    (b"..Host-a[b]=1&..Host-[c=2", {}),
    (b"a[__Host-b]=1&a[__Host-b][c]=1", {"a": []}),
    (b"__Host-a[__Host-b]=1&__Host-a[__Secure-b]=2", {"__Host-a": {"__Host-b": "1"}}),
    (b"a[-0]=1&a[]=2", {"a": {"-0": "1", "0": "2"}}),
    (b"n=%D0%90%D0%BD%D0%BD%D0%B0", {"n": "Анна"}),
    (b"n=%ff", {"n": "\ufffd"}),
]


@pytest.mark.parametrize(("body", "fields"), MEANT, ids=[repr(body)[2:-1][:40] for body, _ in MEANT])
def test_reads_odd_forms_as_php_does(body: bytes, fields: dict[str, Any]) -> None:
    """
    Dots, blanks, empty and unclosed brackets, doubles: each means what it means to a PHP handler.
    """
    assert parse_fields(body) == fields


def test_reads_an_event() -> None:
    """
    What a portal sends is nested as its reference shows it, every scalar a string.
    """
    assert parse(EVENT, "application/x-www-form-urlencoded") == {
        "event": "ONCRMLEADADD",
        "data": {"FIELDS": {"ID": "365"}},
        "ts": "1545851621",
        "auth": {"domain": "acme.bitrix24.com", "member_id": "a223c6b3710f85df22e9377d6c4f7553"},
    }


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_reads_json_of_the_same_shape(content_type: str) -> None:
    """
    A JSON object is taken as it stands, whatever its content type.
    """
    body = b' {"event": "onCrmLeadAdd", "data": {"FIELDS": {"ID": 27}}}'

    assert parse(body, content_type) == {"event": "onCrmLeadAdd", "data": {"FIELDS": {"ID": 27}}}


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"a" + b"[x]" * 2000 + b"=1", "", "a[…]: more than 63 brackets; a portal's have up to 4"),
        ((b"a" + b"[]" * 50 + b"=1&") * 500, "", "the form has more than 20000 brackets; send fewer"),
        (b"a" + b"%5B%5d" * 20_001, "", "the form has more than 20000 brackets; send fewer"),
        (b"a&" * MAX_VARIABLES, "", "the form has more than 10000 variables; send fewer"),
        (
            b"a" * (MAX_BODY_BYTES + 1),
            "",
            "the body has 262145 bytes; 262144 at most. A portal's have 1 to 20 KB.",
        ),
        (
            b"--x",
            "Multipart/form-data; boundary=x",
            "the body is multipart/form-data; send application/x-www-form-urlencoded, as portals do",
        ),
        (
            b"[]",
            "application/json",
            "the body is JSON, but no object; send the same fields as a form has: event, data, auth",
        ),
    ],
)
def test_refuses_what_no_portal_sends(body: bytes, content_type: str, message: str) -> None:
    """
    Nothing is dropped in silence: what is too much, or nothing that can be read, is told.
    """
    with pytest.raises(NotFormError) as caught:
        parse(body, content_type)

    assert str(caught.value) == message


def test_refuses_json_with_double_keys() -> None:
    """
    JSON is read as strictly as a connector's.
    """
    with pytest.raises(NotJsonError, match="the key 'event' stands twice"):
        parse(b'{"event": "a", "event": "b"}')


def test_takes_the_deepest_name_that_may_be() -> None:
    """
    The limit is that of every document: what a form may nest, a JSON reply may carry.
    """
    fields: Any = parse_fields(b"a" + b"[x]" * (MAX_DEPTH - 1) + b"=1")

    for key in ["a"] + ["x"] * (MAX_DEPTH - 1):
        fields = fields[key]
    assert fields == "1"


def test_merges_query_and_body() -> None:
    """
    A placement's fields come in both; of a name that is in both, the body's counts.
    """
    assert merged({"DOMAIN": "a", "LANG": "ru"}, {"DOMAIN": "b", "AUTH_ID": "x"}) == {
        "DOMAIN": "b",
        "LANG": "ru",
        "AUTH_ID": "x",
    }


# ---- against PHP ---------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["a", "b", "data", "FIELDS", "ID", "0", "1", "2", "07", "12", "-", ".", " ", "[", "]", "[]", "_"]
)
ODD = st.sampled_from(["\0", "\t", "\n", "\v", "+", "%", "=", "&", ";", "é", "\xff", "9223372036854775807", "__Host-"])
NAMES = st.lists(st.one_of(PIECES, PIECES, PIECES, PIECES, ODD), max_size=8).map("".join)
KEYS = st.sampled_from(["", "", "a", "b", "0", "1", "5", "x.y", " ", " z", "01"])
NESTED = st.builds(
    lambda head, keys, tail: head + "".join(f"[{key}]" for key in keys) + tail,
    st.sampled_from(["a", "b", "a.b"]),
    st.lists(KEYS, max_size=4),
    st.sampled_from(["", "", "", "c", "[", "[d", "]"]),
)
VALUES = st.one_of(st.sampled_from(["", "1", "27", "a b", "%41", "%", "%4", "%zz"]), st.text(max_size=5))
ENCODINGS: list[Callable[[str], str]] = [quote_plus, partial(quote, safe="[]"), str]


def written(draw: st.DrawFn) -> bytes:
    """One pair, its name and value encoded as a portal, a sloppy sender or nobody would."""
    name, value = draw(st.one_of(NESTED, NESTED, NAMES)), draw(VALUES)
    encode = draw(st.sampled_from(ENCODINGS))
    equals = draw(st.sampled_from(["=", "=", "=", "", "=="]))
    charset = draw(st.sampled_from(["utf-8", "utf-8", "latin-1"]))
    return (encode(name) + equals + encode(value)).encode(charset, "replace")


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    separators = st.sampled_from([b"&", b"&", b"&", b"&&", b";"])
    return b"".join(written(draw) + draw(separators) for _ in range(draw(st.integers(0, 8))))


class Php:
    """
    PHP's own server, which reads forms by the same code as any.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def read(self, body: bytes) -> list[Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        with contextlib.closing(connection):
            connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
            found: list[Any] = json.loads(connection.getresponse().read())
            return found


@pytest.fixture(scope="module")
def php() -> Iterator[Php]:
    program = shutil.which("php")
    if not program:
        pytest.skip("there is no PHP here: apt-get install php-cli")
    port = free_port()
    options = ["-n", "-d", "display_errors=0", "-d", "max_input_vars=100000"]
    process = subprocess.Popen(
        [program, *options, "-S", f"127.0.0.1:{port}", str(SCRIPT)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        assert process.poll() is None, "php ended"
        assert time.monotonic() < end, "php did not start"
        time.sleep(0.02)
    yield Php(port)
    process.terminate()
    process.wait(10)


def as_ours(pairs: Any, *, is_root: bool = False) -> Any:
    """What *pairs*, of PHP, are in our terms: text, and lists where the keys count up from 0."""
    if isinstance(pairs, str):
        return bytes.fromhex(pairs).decode("utf-8", "replace")
    keys = [bytes.fromhex(key) for key, _ in pairs]
    if not is_root and keys == [str(index).encode() for index in range(len(keys))]:
        return [as_ours(value) for _, value in pairs]
    return {key.decode("utf-8", "replace"): as_ours(value) for key, (_, value) in zip(keys, pairs, strict=True)}


@pytest.mark.parametrize(("body", "fields"), MEANT, ids=[repr(body)[2:-1][:40] for body, _ in MEANT])
def test_the_table_is_true_of_php(php: Php, body: bytes, fields: dict[str, Any]) -> None:
    """
    Whatever the table above says of a form, PHP says too.
    """
    assert as_ours(php.read(body), is_root=True) == fields


@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies())
@example(body=EVENT)
@example(body=b"a" + b"[]" * (MAX_DEPTH - 1) + b"=1")
def test_means_what_it_means_to_php(php: Php, body: bytes) -> None:
    """
    Whatever the form, it has the same keys and values, in the same order, as PHP's $_POST.
    """
    theirs = as_ours(php.read(body), is_root=True)

    assert json.dumps(parse_fields(body)) == json.dumps(theirs)
