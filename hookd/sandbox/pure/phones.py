"""
`phones`: numbers as people and connectors write them, compared as the numbers that they are.

8 (900) 123-45-67, +79001234567, 0079001234567 and 79001234567 are one number; 101 and *97 are none that the world
can dial, and are compared by what is keyed in. The site's region and area code say what a local number means.
"""

import marshal
import re
from collections.abc import Callable, Collection
from functools import cache, lru_cache, partial
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import phonenumbers
from phonenumbers import data

from hookd.sandbox.pure import ToolError

Json = Any

_CACHED_NUMBERS_MAX = 1024
_NUMBER_CHARACTERS_MAX = 40  # E.164 has 15 digits; the rest is punctuation
_TAIL_DIGITS = 4
_INTEGER_MAX = 10**18

_NOT_KEYED = re.compile(r"[^0-9*#]+")
_NOT_DIGITS = re.compile(r"[^0-9]+")


class _Valid(NamedTuple):
    e164: str
    national: str


class Phones:
    """
    Reads and compares phone numbers for one site.

    A number is text or an integer; None and "" are an unknown number, which is the same as no other. Numbers are the
    same if their E.164 forms are, or, where one of them has none, if the keys pressed are: digits, * and #. A name
    (anything with letters in it: a trunk's, `anonymous`) has no E.164 form and is compared as text.

    Methods raise ToolError for what is no number at all, such as an object or true.
    """

    PUBLIC: ClassVar[frozenset[str]] = frozenset({"e164", "digits", "national", "same", "contains", "lookup"})

    __slots__ = ("_valid",)

    def __init__(self, region: str, area_code: str) -> None:
        """
        Args:
            region: The site's country, two letters as in ISO 3166: "RU"; "" understands +… and 00… only.
            area_code: Digits that go before a number without one: "343"; "" where there are no such numbers.
        """
        read = partial(_read, region=region, area_code=area_code)
        self._valid: Callable[[str], _Valid | None] = lru_cache(_CACHED_NUMBERS_MAX)(read)

    @staticmethod
    def warm_up() -> None:
        """
        Read the numbering plans of all countries, so that no number needs a file later.
        """
        metadata = phonenumbers.PhoneMetadata
        for region in phonenumbers.SUPPORTED_REGIONS:
            metadata.register_region_loader(region, _plan(region))
        for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS:
            metadata.register_nongeo_region_loader(code, _plan(code))

    def e164(self, n: Json) -> str | None:
        """Return "+79001234567", or None where *n* is no valid number."""
        valid = self._valid_of(_text(n, "e164"))
        return valid.e164 if valid else None

    def digits(self, n: Json) -> str:
        """Return the digits of *n* and nothing else."""
        return _NOT_DIGITS.sub("", _text(n, "digits"))

    def national(self, n: Json) -> str:
        """Return "9001234567", without country code and prefix; the digits as they are where *n* is not valid."""
        text = _text(n, "national")
        valid = self._valid_of(text)
        return valid.national if valid else _NOT_DIGITS.sub("", text)

    def same(self, a: Json, b: Json) -> bool:
        """Whether *a* and *b* are one number."""
        return self._is_same(_text(a, "same"), _text(b, "same"))

    def contains(self, numbers: Json, n: Json) -> bool:
        """Whether *n* is among *numbers*: a list, tuple or set, or the keys of a dict."""
        if not isinstance(numbers, list | tuple | set | frozenset | dict):
            raise ToolError(
                f"phones.contains takes a list of numbers first, not {_kind(numbers)}.",
                'Write phones.contains(["+79001234567", "101"], number); for one number there is phones.same.',
            )
        return self._find(numbers, _text(n, "contains")) is not None

    def lookup(self, table: dict[Json, Json], n: Json, default: Json = None) -> Json:
        """
        Return the value in *table* whose key is the number *n*, else *default*.

        A key that is written exactly as *n* comes first, then the first that is the same number.
        """
        if not isinstance(table, dict):
            raise ToolError(
                f"phones.lookup takes a table first, not {_kind(table)}.",
                'Write phones.lookup({"+79001234567": 17}, number), or a table of settings.',
            )
        found = self._find(table, _text(n, "lookup"))
        return default if found is None else table[found]

    def _find(self, numbers: Collection[Json], text: str) -> Json:
        """The item of *numbers* that is the number *text*, or None."""
        if not text:
            return None
        if text in numbers:
            return text
        return next((item for item in numbers if self._is_same(_lenient_text(item), text)), None)

    def _is_same(self, a: str, b: str) -> bool:
        if a == b:
            return a != ""
        keyed_a, keyed_b = _keyed(a), _keyed(b)
        # However a number is prefixed, its end stays (see tail): that spares reading most of a long list.
        if keyed_a[-_TAIL_DIGITS:] != keyed_b[-_TAIL_DIGITS:]:
            return False
        valid_a, valid_b = self._valid_of(a), self._valid_of(b)
        if valid_a and valid_b:
            return valid_a.e164 == valid_b.e164
        return keyed_a == keyed_b != ""

    def _valid_of(self, text: str) -> _Valid | None:
        return self._valid(text) if len(text) <= _NUMBER_CHARACTERS_MAX else None


class _PlanLoader(SourceFileLoader):
    """
    Loads the numbering plan of a region, a module of phonenumbers, from what it has read of it before.
    """

    def __init__(self, region: str | int) -> None:
        super().__init__(f"{data.__name__}.region_{region}", f"{data.__path__[0]}/region_{region}.py")
        self._code = marshal.dumps(super().get_code(self.name))  # a third of the size that it has in use

    def get_code(self, fullname: str) -> Any:
        return marshal.loads(self._code)

    def load(self, region: str | int) -> None:
        module = ModuleType(self.name)
        module.__package__ = data.__name__
        self.exec_module(module)


@cache
def _plan(region: str | int) -> Callable[[str | int], None]:
    """
    Return what makes the numbering plan of *region*, once a number asks for it. To make all of them at once, as
    `PhoneMetadata.load_all` does, takes a tenth of the sandbox's start.
    """
    return _PlanLoader(region).load


def tail(n: Json) -> str:
    """
    Return what two ways to write one number have in common: their last keys. Numbers with other tails are others.
    """
    text = _lenient_text(n)
    end = text[-_TAIL_DIGITS:]
    if len(end) == _TAIL_DIGITS and end.isascii() and end.isdecimal():
        return end  # nearly always, and what makes a long list quick to read
    return _keyed(text)[-_TAIL_DIGITS:]


def _read(text: str, *, region: str, area_code: str) -> _Valid | None:
    keyed = _keyed(text)
    if not keyed.isdecimal():
        return None
    if text.lstrip(" (").startswith("+"):
        return _parse("+" + keyed, region)
    valid = _parse(keyed, region)
    if not valid and keyed.startswith("00"):  # the ITU's prefix, dialled in countries with one of their own too
        valid = _parse("+" + keyed[2:], region)
    if not valid and area_code:
        valid = _parse(area_code + keyed, region)
    return valid


def _parse(number: str, region: str) -> _Valid | None:
    try:
        parsed = phonenumbers.parse(number, region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return _Valid(e164, phonenumbers.national_significant_number(parsed))


def _keyed(text: str) -> str:
    """What is pressed on the keypad; of a name, the name."""
    if text.isascii() and text.isdecimal():
        return text
    if any(character.isalpha() for character in text):
        return text.casefold()
    return _NOT_KEYED.sub("", text)


def _text(n: Json, method: str) -> str:
    if n is not None and not _is_number(n):
        raise ToolError(
            f"phones.{method} takes a number as text or integer, not {_kind(n)}.",
            "The client's number is call.client_number, the employee's call.extension.",
        )
    return _lenient_text(n)


def _lenient_text(n: Json) -> str:
    if isinstance(n, str):
        return n.strip()
    return str(int(n)) if _is_number(n) else ""


def _is_number(n: Json) -> bool:
    if isinstance(n, bool):
        return False
    if isinstance(n, int | float):
        return abs(n) < _INTEGER_MAX and n == int(n)
    return isinstance(n, str)


def _kind(value: Json) -> str:
    return "None" if value is None else type(value).__name__
