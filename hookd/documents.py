"""
JSON documents as they cross a border: read strictly, written compactly, pointed into.

Everything that comes from outside (a connector's request, a worker's result) is read here, so that what the rest
of hookd holds is plain data that every JSON parser on the way out reads the same: no duplicate keys, no NaN, no lone
surrogates, bounded depth. The usual document costs one pass of a fast parser; what that might have read otherwise is
read again by a strict one, and what is bad a third time, to say where.
"""

import json
import re
from collections.abc import Iterable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # in every CPython; the stubs lack it
from typing import Any, NoReturn

import orjson

from hookd.errors import NotJsonError

Json = Any  # None, bool, int, float, str, list[Json] or dict[str, Json]; a recursive alias defeats type narrowing

MAX_DEPTH = 64  # objects and lists in one another: what PHP, Go and JavaScript parsers take without being told
EXPLAINED_BYTES = 65_536  # of a bad document: finding its first fault is Python's work and holds up the event loop

_LONG_NUMBER = b"0" * 19  # the longest that surely fits into 64 bits has 18 digits
_SHAPE = bytes.maketrans(b"123456789\t\n\r", b"000000000   ")  # every digit a zero, every white space a blank
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse(body: bytes, *, max_depth: int = MAX_DEPTH) -> Json:
    """
    Return the document in *body* (UTF-8, a byte order mark is skipped).

    Raises:
        NotJsonError: It is no JSON, or JSON that parsers read differently: a duplicate key, NaN, a number that
            overflows, a lone surrogate, deeper than *max_depth*. The message names the place.
    """
    try:
        document = orjson.loads(body)
        if _is_plain(body, document, max_depth):
            return document
    except (orjson.JSONDecodeError, TypeError):  # TypeError: too deep to be written again
        pass  # read it again, to say what is wrong and where
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotJsonError(f"byte {error.start} is not UTF-8; send the document as UTF-8") from error
    try:
        document = _strict(text)
        _check_depth(document, max_depth)
        _check_surrogates(body, document)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(_fault(text, error, max_depth)) from error
    return document


def dump(document: Json) -> bytes:
    """
    Return *document*, which `parse` or a checked reply gave, as compact UTF-8 JSON.
    """
    try:
        return orjson.dumps(document)
    except TypeError:  # integers over 64 bits, which JSON allows
        return _ENCODER.encode(document).encode()


def pointer(parts: Iterable[str | int]) -> str:
    """
    Return the JSON Pointer (RFC 6901) to the value below *parts*.
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _is_plain(body: bytes, document: Json, max_depth: int) -> bool:
    """
    Whether *document*, as the fast parser read it from *body*, is surely what the strict one would read.

    The fast one keeps the last of two equal keys and makes a float of an integer over 64 bits. So written again it has
    to have as many key tokens as before, where no escape hides one, and no number may be that long. All of it is done
    by C code: this is on the path of every request.
    """
    shape = body.translate(_SHAPE)
    if b" :" in shape or _LONG_NUMBER in shape or b"\\u00" in body:  # an escaped quote or colon reads as a token
        return False
    if orjson.dumps(document).count(b'":') != body.count(b'":'):
        return False
    return body.count(b"{") + body.count(b"[") <= max_depth or _depth(document) <= max_depth


def _depth(document: Json) -> int:
    depth = 0
    level = [document]
    while any(isinstance(node, dict | list) for node in level):
        level = [child for node in level for child in _children(node)]
        depth += 1
    return depth


class _Fault(ValueError):
    """What is wrong with a document; the place is found by `_locate`."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Fault("an object has the same key twice")
    return found


def _float(digits: str) -> float:
    number = float(digits)
    if number in (_INFINITY, -_INFINITY):
        raise _Fault("a number is too large for a double")
    return number


def _constant(name: str) -> NoReturn:
    raise _Fault(f"{name} is not JSON")


_INFINITY = float("inf")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
_strict = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant).decode


def _check_depth(document: Json, max_depth: int) -> None:
    if _depth(document) > max_depth:
        raise _Fault("too deep")


def _children(node: Json) -> Iterable[Json]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _check_surrogates(body: bytes, document: Json) -> None:
    if _SURROGATE.search(body):
        _ENCODER.encode(document).encode()  # UnicodeEncodeError is a ValueError; pairs were joined by the scanner


def _fault(text: str, error: Exception, max_depth: int) -> str:
    if len(text) > EXPLAINED_BYTES:
        return _brief(error, max_depth)
    for index, parts, message in _locate(text, max_depth):
        line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
        return f"line {line}, column {column}, at {pointer(parts) or '/'}: {message}"
    return _brief(error, max_depth)


def _brief(error: Exception, max_depth: int) -> str:
    if isinstance(error, RecursionError) or str(error) == "too deep":
        return _too_deep(max_depth)
    return str(error).partition("\n")[0][:200]


def _too_deep(max_depth: int) -> str:
    return f"objects and lists lie more than {max_depth} deep in one another"


def _locate(text: str, max_depth: int) -> Iterator[tuple[int, tuple[str | int, ...], str]]:
    """
    Yield the first fault of *text*: its index, the path to it, what is wrong.
    """
    try:
        end = _value(text, _skip(text, 0), (), max_depth)
        end = _skip(text, end)
        if end < len(text):
            yield end, (), "the document ends here, but more follows"
    except _Found as found:
        yield found.index, found.parts, found.message


class _Found(Exception):
    def __init__(self, index: int, parts: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.index, self.parts, self.message = index, parts, message


def _skip(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index


def _value(text: str, index: int, parts: tuple[str | int, ...], max_depth: int) -> int:
    head = text[index : index + 1]
    if head in ("{", "["):
        if len(parts) >= max_depth:
            raise _Found(index, parts[:8], _too_deep(max_depth))
        return (_members if head == "{" else _items)(text, index + 1, parts, max_depth)
    if head == '"':
        return _string(text, index, parts)[1]
    for name in ("NaN", "Infinity", "-Infinity"):
        if text.startswith(name, index):
            raise _Found(index, parts, f"{name} is not JSON; send null or a number")
    for name in _CONSTANTS:
        if text.startswith(name, index):
            return index + len(name)
    return _number(text, index, parts)


def _number(text: str, index: int, parts: tuple[str | int, ...]) -> int:
    match = _NUMBER.match(text, index)
    if not match:
        raise _Found(index, parts, "a JSON value is expected here" if text.strip() else "the body is empty")
    digits = match.group()
    if float(digits) in (_INFINITY, -_INFINITY) and not digits.lstrip("-").isdigit():
        raise _Found(index, parts, f"the number {digits[:40]} is too large for a double")
    if len(digits) > 4000 and digits.lstrip("-").isdigit():
        raise _Found(index, parts, f"the number has {len(digits)} digits; 4000 at most")
    return match.end()


def _string(text: str, index: int, parts: tuple[str | int, ...]) -> tuple[str, int]:
    try:
        value, end = scanstring(text, index + 1, True)
    except json.JSONDecodeError as error:
        message = error.msg.removesuffix(" at")
        raise _Found(error.pos, parts, message[0].lower() + message[1:]) from error
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Found(index, parts, "the string holds half of a surrogate pair, which is no character") from error
    return value, end


def _members(text: str, index: int, parts: tuple[str | int, ...], max_depth: int) -> int:
    keys: set[str] = set()
    index = _skip(text, index)
    if text[index : index + 1] == "}":
        return index + 1
    while True:
        if text[index : index + 1] != '"':
            raise _Found(index, parts, "a key in double quotes is expected here")
        key, end = _string(text, index, parts)
        if key in keys:
            raise _Found(index, (*parts, key), f"the key {key[:60]!r} stands twice in this object; send it once")
        keys.add(key)
        end = _skip(text, end)
        if text[end : end + 1] != ":":
            raise _Found(end, (*parts, key), "a colon is expected here")
        index = _skip(text, _value(text, _skip(text, end + 1), (*parts, key), max_depth))
        if text[index : index + 1] == "}":
            return index + 1
        if text[index : index + 1] != ",":
            raise _Found(index, parts, "a comma or the object's end is expected here")
        index = _skip(text, index + 1)


def _items(text: str, index: int, parts: tuple[str | int, ...], max_depth: int) -> int:
    index = _skip(text, index)
    if text[index : index + 1] == "]":
        return index + 1
    position = 0
    while True:
        index = _skip(text, _value(text, index, (*parts, position), max_depth))
        if text[index : index + 1] == "]":
            return index + 1
        if text[index : index + 1] != ",":
            raise _Found(index, parts, "a comma or the list's end is expected here")
        index = _skip(text, index + 1)
        position += 1
