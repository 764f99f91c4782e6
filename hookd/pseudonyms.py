"""
Documents as the journal keeps them: numbers of people under another number, tokens and passwords gone.

A number keeps its length, its signs and what stands before its last seven digits; those are replaced by seven others
that a keyed hash of them gives. So +7 900 123-45-67 and 89001234567 still end alike, a hook that strips a prefix or
adds a country code does the same to both, and area codes still lead to the same branch. Two numbers that differ look
alike once in ten million pairs. Numbers of less than seven digits (extensions) stay.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from hookd import key_files
from hookd.documents import Json
from hookd.errors import StorageError
from hookd.logs import hide_secrets

KEY_NAME = "journal.key"
KEY_BYTES = 32
HIDDEN_DIGITS = 7  # the subscriber's part in most countries; what is before it says operator, region, country
MIN_DIGITS = 7  # of a number of a person; the log has the same rule
MAX_DIGITS = 15  # of any number (E.164); more are several numbers, or none
HIDDEN = "***"

SHORT_CHARACTERS = 64  # of texts that come again and again: keys, extensions, words, the numbers of one call
CACHED_TEXTS = 512  # of a site

_DATE = r"(?:19|20)\d\d(?:-\d\d-\d\d|/\d\d/\d\d|\.\d\d\.\d\d)"
_UNIQUEID_OR_TIME = rf"1\d{{9}}\.\d{{1,6}}|{_DATE}(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{{1,6}})?)?)?"
_BETWEEN = "(?:[\\s().\\-/_\u2010-\u2015\u2212\u200b\u2060\u00ad]|%20|%2[89DdFf]){1,3}"
# Digits in a row, or groups of few with something between; a row of seven is a number whatever stands beside it, since
# names of recordings string extension, number, date and uniqueid together.
_NUMBER = re.compile(
    rf"(?<![\d+])(?:{_UNIQUEID_OR_TIME})(?!\d|[.-]\d)|(?P<number>\d{{7,}}|\d{{1,6}}(?:{_BETWEEN}\d{{1,6}}(?!\d))+)"
)
_SECRET_NAME = re.compile(
    "(?i)token|secret(?!ar)|passw|pwd|auth_?id|refresh_?id|api_?-?key|authorization|cookie|credential|private_?-?key"
)
_SECRET_HEADER = re.compile(f"{_SECRET_NAME.pattern}|auth|key|sign|session")
_LONE = re.compile("(?<!%)(?<!%[0-9A-Fa-f])\\d")  # not those of %20


def read_key(state: Path) -> bytes:
    """
    Return the key of this installation, which is made at the first time; whoever has it can guess numbers.

    Raises:
        StorageError: It can be neither read nor made, or is none.
    """
    path = state / KEY_NAME
    try:
        key = key_files.read_or_make(path, lambda: secrets.token_bytes(KEY_BYTES))
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read or made: {error.strerror}. Let the user that hookd runs as read and write it."
        ) from error
    if len(key) != KEY_BYTES:  # with an empty one, numbers would be written down as they are
        raise StorageError(
            f"{path}: is damaged: {KEY_BYTES} bytes are expected. Put back a copy of it, or remove it: numbers then "
            "get other pseudonyms than those in the journal."
        )
    return key


class Pseudonyms:
    """
    How one site's documents are written down.

    Args:
        key: Of the installation; None leaves numbers as they are.
        tokens: Of the site and of the operator, which are gone wherever they stand.
    """

    def __init__(self, key: bytes | None, tokens: Iterable[str] = ()) -> None:
        self._key = key
        known = "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True))
        self._tokens = re.compile(known) if known else None
        self._short: Callable[[str], str] = lru_cache(CACHED_TEXTS)(self._text)

    def text(self, text: str) -> str:
        """
        Return *text* as it may be kept.
        """
        if len(text) < MIN_DIGITS:
            return text
        return self._short(text) if len(text) <= SHORT_CHARACTERS else self._text(text)

    def document(self, document: Json) -> Json:
        """
        Return a copy of *document* as it may be kept: of the same shape, and of the same types but for secrets.
        """
        if isinstance(document, str):
            return self.text(document)
        if isinstance(document, dict):
            return {
                self.text(key): _hidden(value) if _is_secret(key) else self.document(value)
                for key, value in document.items()
            }
        if isinstance(document, list):
            return [self.document(item) for item in document]
        if isinstance(document, int) and not isinstance(document, bool):
            return int(self.text(str(document)))
        if isinstance(document, float) and document.is_integer() and abs(document) < 10**MAX_DIGITS:
            return float(self.text(str(int(document))))
        return document

    def headers(self, headers: Iterable[tuple[str, str]]) -> dict[str, str]:
        """
        Return a request's headers as they may be kept.
        """
        return {name: HIDDEN if _SECRET_HEADER.search(name) else self.text(value) for name, value in headers}

    def _text(self, text: str) -> str:
        if self._tokens:
            text = self._tokens.sub(HIDDEN, text)
        text = hide_secrets(text)
        return _NUMBER.sub(self._number, text) if self._key else text

    def _number(self, match: re.Match[str]) -> str:
        number = match.group("number")
        if number is None:
            return match.group()
        digits = "".join(_LONE.findall(number))
        if len(digits) < MIN_DIGITS:
            return number
        shown = iter(self._other(digits))
        return _LONE.sub(lambda _: next(shown), number)

    def _other(self, digits: str) -> str:
        if len(digits) > MAX_DIGITS:
            return digits[0] + "0" * (len(digits) - 1)
        hidden = min(HIDDEN_DIGITS, len(digits) - 1)  # the first one stays: a number has no zero before it
        found = hashlib.blake2b(digits[-HIDDEN_DIGITS:].encode(), key=self._key or b"", digest_size=8).digest()
        other = f"{int.from_bytes(found) % 10**HIDDEN_DIGITS:0{HIDDEN_DIGITS}}"
        return digits[:-hidden] + other[-hidden:]


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name))


def _hidden(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _hidden(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return value if value is None or isinstance(value, bool) or value == "" else HIDDEN
