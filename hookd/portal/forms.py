"""
Bodies as a portal sends them: PHP's form fields with brackets, read as PHP itself reads them.

Bitrix24 is written in PHP, and so were the handlers it was made for: `data[FIELDS][ID]=27` is a nested array there, and
what the odd names become (dots, blanks, brackets that never close) is what php_register_variable_ex() in PHP's
main/php_variables.c does with them. This module does the same, step by step; a test holds it against PHP's own $_POST.
It differs on purpose in three ways: what PHP silently drops at its limits (variables over max_input_vars, names nested
too deep) is refused with a sentence, an array whose keys count up from 0 is a list, as in PHP's json_encode, and bytes
that are no UTF-8 become U+FFFD, so that what a hook gets is text.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from hookd import documents
from hookd.documents import MAX_DEPTH, Json
from hookd.errors import NotFormError

MAX_VARIABLES = 10_000  # PHP stops at 1,000 and says nothing; no event comes near either
MAX_BODY_BYTES = 256 * 1024  # what the inbox takes of an event, 64 KB, is up to three times as long in a form
MAX_BRACKETS = 20_000  # of all names together: each costs about 10 µs, whoever sends them
SHOWN_CHARACTERS = 60  # of a name, in an error

_SPACES = " \t\n\r\v\f"  # C's isspace
_UNDERSCORED = str.maketrans(" .[", "___")
_INDEX = re.compile(r"0|-?[1-9][0-9]{0,18}")
_LONG_MAX = 2**63 - 1  # an index up to here is a number to PHP, a longer one is a name
_RESERVED = ("__Host-", "__Secure-")  # what only a part of the name is, or becomes by way of underscores, is dropped


def parse(body: bytes, content_type: str = "") -> dict[str, Json]:
    """
    Return the fields in *body*: a form's, or a JSON object's.

    Args:
        content_type: As the sender gave it; a body that begins as an object is JSON whatever it says, since no
            field of a portal's begins so.

    Raises:
        NotFormError: It is neither, or larger, deeper, or of more variables than any portal's.
        NotJsonError: It is JSON that parsers disagree on.
    """
    if len(body) > MAX_BODY_BYTES:
        raise NotFormError(f"the body has {len(body)} bytes; {MAX_BODY_BYTES} at most. A portal's have 1 to 20 KB.")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        raise NotFormError("the body is multipart/form-data; send application/x-www-form-urlencoded, as portals do")
    if kind.endswith(("/json", "+json")) or body.lstrip()[:1] == b"{":
        document = documents.parse(body)
        if not isinstance(document, dict):
            raise NotFormError("the body is JSON, but no object; send the same fields as a form has: event, data, auth")
        return document
    return parse_fields(body)


def parse_fields(body: bytes) -> dict[str, Json]:
    """
    Return the fields in *body*, which is `application/x-www-form-urlencoded` or a query string.

    Raises:
        NotFormError: A name is nested deeper than MAX_DEPTH, or there are more variables or brackets than may be.
    """
    if body.count(b"[") + body.count(b"%5B") + body.count(b"%5b") > MAX_BRACKETS:
        raise NotFormError(f"the form has more than {MAX_BRACKETS} brackets; send fewer")
    pairs = body.split(b"&", MAX_VARIABLES)
    if len(pairs) > MAX_VARIABLES:
        raise NotFormError(f"the form has more than {MAX_VARIABLES} variables; send fewer")
    root = _Array()
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        _add(root, _decoded(name), _decoded(value))
    return {_text(key): _finished(value) for key, value in root.items()}


def merged(query: Mapping[str, Json], body: Mapping[str, Json]) -> dict[str, Json]:
    """
    Return the fields of both; where a name is in both, the body's count, as in PHP's $_REQUEST.
    """
    return {**query, **body}


def query(fields: Mapping[str, Json]) -> str:
    """
    Return *fields* as PHP's http_build_query writes them: what is null or an empty array leaves no key.
    """
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _pairs("", fields))


class _Array(dict[str, Any]):
    """
    A PHP array while it is built: its keys in the order of their first assignment, a number as its digits.

    Texts in it hold one character a byte until all is there: what is one key is decided by bytes.
    """

    following: int | None = None  # the index that `[]` takes; 0 as long as there is no number

    def put(self, key: str | None, value: Any) -> bool:
        """Assign *value* to *key*, None being the next index; return whether there was one left."""
        if key is None:
            key = str(self.following or 0)
            if key in self:  # after the largest of all numbers there is no other
                return False
        self[key] = value
        if _INDEX.fullmatch(key) and -_LONG_MAX - 1 <= int(key) <= _LONG_MAX:
            following = min(int(key) + 1, _LONG_MAX)
            self.following = following if self.following is None else max(following, self.following)
        return True

    def enter(self, key: str | None) -> "_Array | None":
        """Return the array under *key*, made where there is none; None where there is no index left."""
        below = self.get(key) if key is not None else None
        if isinstance(below, _Array):
            return below
        made = _Array()
        return made if self.put(key, made) else None


def _add(root: _Array, name: str, value: str) -> None:
    name = name.partition("\0")[0].lstrip(" ")  # C's strings end at the NUL
    head, bracket, rest = name.partition("[")
    mangled = head.translate(_UNDERSCORED)
    if not mangled:
        return
    if bracket and "]" in rest:
        _add_below(root, (mangled, rest), value, whole=name)
        return
    if bracket:  # one that never closes is none
        mangled = f"{mangled}_{rest.translate(_UNDERSCORED)}"
    if not _is_forged(mangled, name):
        root.put(mangled, value)


def _add_below(array: _Array, name: tuple[str, str], value: str, *, whole: str) -> None:
    """Walk from *array* into the first part of *name* and the brackets of the second, the first of which is open."""
    key: str | None
    key, rest = name
    for depth in range(2, len(rest) + 3):
        blank = rest[:1] in _SPACES  # a single one counts as nothing; also true at the end
        if rest[blank : blank + 1] == "]":
            inner, rest = None, rest[blank + 1 :]
        else:
            end = rest.find("]", blank)
            if end < 0:  # the brackets before this one are all there is of the name
                break
            inner, rest = rest[:end], rest[end + 1 :]
        if depth > MAX_DEPTH:
            shown = _text(name[0])[:SHOWN_CHARACTERS]
            raise NotFormError(f"{shown}[…]: more than {MAX_DEPTH - 1} brackets; a portal's have up to 4")
        below = None if _is_forged(key, whole) else array.enter(key)
        if below is None:
            return
        array, key = below, inner
        if rest[:1] != "[":
            break
        rest = rest[1:]
    if not _is_forged(key, whole):
        array.put(key, value)


def _is_forged(key: str | None, name: str) -> bool:
    return key is not None and any(key.startswith(prefix) and not name.startswith(prefix) for prefix in _RESERVED)


def _decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("latin-1")


def _text(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")


def _finished(value: Any) -> Json:
    if isinstance(value, str):
        return _text(value)
    if all(key == str(index) for index, key in enumerate(value)):
        return [_finished(item) for item in value.values()]
    return {_text(key): _finished(item) for key, item in value.items()}


def _pairs(name: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from _pairs(f"{name}[{key}]" if name else str(key), item)
    elif value is not None:
        yield name, str(int(value) if isinstance(value, bool) else value)
