"""
The functions of offered modules that are not handed out as they are, because the originals take more than a hook may
give: hidden parameters, hook objects where Python code expects plain data, or settings that other runs would see.

What is written in C and takes data only (math, unicodedata, itertools) needs no facade. What is written in Python gets
`checked`: exact plain types and the declared keywords, so that no hook's method runs in the middle of the library.
"""

import calendar
import decimal
import hashlib
import hmac
import io
import ipaddress
import json
import os
import random
import re
import statistics
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar
from urllib import parse

import tzdata  # type: ignore[import-untyped]

from hookd.sandbox.language.attributes import HASHES

# What may go into library code that is written in Python. Containers may hold hook objects; that code then meets
# them as values to print or compare, which any `print` of the hook does too.
_DATA = frozenset(
    {
        *(type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset, range),
        *(Counter, OrderedDict, defaultdict, deque, date, datetime, time, timedelta, timezone, decimal.Decimal),
        *(uuid.UUID, zoneinfo.ZoneInfo, ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network),
        *(ipaddress.IPv6Network, ipaddress.IPv4Interface, ipaddress.IPv6Interface),
        *(parse.SplitResult, parse.ParseResult),
    }
)

_NUMBERS = frozenset({int, float, bool, decimal.Decimal})
_RE_FLAGS = re.ASCII | re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.UNICODE | re.VERBOSE
_PRECISION_MAX = 1000  # digits; more is a way to use up the deadline
ROUNDINGS = (
    *("ROUND_05UP", "ROUND_CEILING", "ROUND_DOWN", "ROUND_FLOOR"),
    *("ROUND_HALF_DOWN", "ROUND_HALF_EVEN", "ROUND_HALF_UP", "ROUND_UP"),
)


Function = TypeVar("Function", bound=Callable[..., Any])


def named(name: str) -> Callable[[Function], Function]:
    """
    Give a function the name under which hooks know it, for Python's own messages.
    """

    def give(function: Function) -> Function:
        function.__name__ = name.rpartition(".")[2]
        function.__qualname__ = name
        return function

    return give


def checked(function: Callable[..., Any], keywords: str = "") -> Callable[..., Any]:
    """
    Return *function*, but with arguments of exact plain types, and by keyword only what *keywords* lists.
    """
    name = function.__name__
    allowed = frozenset(keywords.split())

    def call(*values: Any, **options: Any) -> Any:
        for value in (*values, *options.values()):
            if type(value) not in _DATA:
                raise TypeError(f"{name}() takes plain data, not {type(value).__name__}.")
        if not allowed.issuperset(options):
            unknown = next(key for key in options if key not in allowed)
            raise TypeError(f"{name}() takes no {unknown}=. It takes: {', '.join(sorted(allowed)) or 'no keywords'}.")
        return function(*values, **options)

    return named(name)(call)


# json: no hooks of any kind, which would be called in the middle of the library's work.


@named("json.loads")
def json_loads(text: Any) -> Any:
    if type(text) not in (str, bytes):
        raise TypeError(f"json.loads() takes text, not {type(text).__name__}.")
    return json.loads(text)


@named("json.dumps")
def json_dumps(
    value: Any,
    *,
    indent: int | str | None = None,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
    separators: tuple[str, str] | None = None,
) -> str:
    if type(indent) not in (int, str, type(None)):
        raise TypeError("json.dumps() takes a number or text as indent.")
    if separators is not None and [type(part) for part in separators] != [str, str]:
        raise TypeError('json.dumps() takes two texts as separators, such as (",", ":").')
    return json.dumps(
        value,
        indent=indent,
        sort_keys=sort_keys is True,
        ensure_ascii=ensure_ascii is not False,
        separators=separators,
    )


# re: flags are plain numbers, because members of an enum lead to its class; DEBUG prints, so it is masked out.

RE_FLAGS: Mapping[str, int] = {
    name: int(getattr(re, name))
    for name in (
        [
            "A",
            "ASCII",
            "I",
            "IGNORECASE",
            "L",
            "LOCALE",
            "M",
            "MULTILINE",
            "S",
            "DOTALL",
            "U",
            "UNICODE",
            "X",
            "VERBOSE",
        ]
    )
}


@named("re.compile")
def re_compile(pattern: Any, flags: int = 0) -> re.Pattern[Any]:
    # Exact types before the cache of `re` compares or hashes anything.
    if type(flags) is not int or flags & ~int(_RE_FLAGS):
        raise ValueError("re takes as flags: re.ASCII, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE.")
    if type(pattern) is re.Pattern and not flags:
        return pattern
    if type(pattern) not in (str, bytes):
        raise TypeError(f"re takes a pattern as text, not {type(pattern).__name__}.")
    return re.compile(pattern, flags)


@named("re.match")
def re_match(pattern: Any, string: Any, flags: int = 0) -> Any:
    return re_compile(pattern, flags).match(string)


@named("re.search")
def re_search(pattern: Any, string: Any, flags: int = 0) -> Any:
    return re_compile(pattern, flags).search(string)


@named("re.fullmatch")
def re_fullmatch(pattern: Any, string: Any, flags: int = 0) -> Any:
    return re_compile(pattern, flags).fullmatch(string)


@named("re.findall")
def re_findall(pattern: Any, string: Any, flags: int = 0) -> Any:
    return re_compile(pattern, flags).findall(string)


@named("re.finditer")
def re_finditer(pattern: Any, string: Any, flags: int = 0) -> Any:
    return re_compile(pattern, flags).finditer(string)


@named("re.split")
def re_split(pattern: Any, string: Any, maxsplit: int = 0, flags: int = 0) -> Any:
    return re_compile(pattern, flags).split(string, maxsplit)


@named("re.sub")
def re_sub(pattern: Any, repl: Any, string: Any, count: int = 0, flags: int = 0) -> Any:
    return re_compile(pattern, flags).sub(repl, string, count)


@named("re.subn")
def re_subn(pattern: Any, repl: Any, string: Any, count: int = 0, flags: int = 0) -> Any:
    return re_compile(pattern, flags).subn(repl, string, count)


# statistics duck-types its numbers and makes values of their types: exact numbers only.


def statistic(name: str, keywords: str = "") -> Callable[..., Any]:
    """
    Return the function *name* of statistics, for exact numbers.
    """
    function = checked(getattr(statistics, name), keywords)

    def call(data: Iterable[Any], *values: Any, **options: Any) -> Any:
        numbers = list(data)
        for number in numbers:
            if type(number) not in _NUMBERS:
                raise TypeError(f"statistics.{name}() takes numbers, not {type(number).__name__}.")
        return function(numbers, *values, **options)

    return named(f"statistics.{name}")(call)


# hashlib and hmac: digests by name, never a callable of the hook's.


@named("hashlib.new")
def hashlib_new(name: str, data: bytes = b"") -> Any:
    return hashlib.new(_digest(name), data)


@named("hmac.new")
def hmac_new(key: bytes, msg: bytes | None = None, digestmod: Any = None) -> Any:
    return hmac.new(key, msg, _digest(digestmod))


@named("hmac.digest")
def hmac_digest(key: bytes, msg: bytes, digest: Any) -> bytes:
    return hmac.digest(key, msg, _digest(digest))


def _digest(digest: Any) -> str:
    for name in HASHES:
        if digest is getattr(hashlib, name) or (type(digest) is str and digest.lower() == name):
            return name
    raise ValueError(f"Digests are: {', '.join(HASHES)}.")


# calendar: as numbers, where later Pythons have members of an enum.


@named("calendar.monthrange")
def calendar_monthrange(year: int, month: int) -> tuple[int, int]:
    weekday, days = calendar.monthrange(year, month)
    return int(weekday), days


@named("calendar.weekday")
def calendar_weekday(year: int, month: int, day: int) -> int:
    return int(calendar.weekday(year, month, day))


# zoneinfo: the files of all zones are read before the worker is locked; a zone is made of its own once a hook asks for
# it. All of them would take a tenth of the sandbox's start, and 2 MB.

_NO_ZONES = ("posix", "right", "posixrules")  # other ways to count seconds, and a rule: available_timezones() has none


@cache
def zone_files() -> Mapping[str, bytes]:
    """
    Return the file of every time zone by the zone's name; the first call reads some 600 files.
    """
    found: dict[str, bytes] = {}
    for root in (*zoneinfo.TZPATH, os.path.join(tzdata.__path__[0], "zoneinfo")):
        if os.path.isdir(root):
            _read_zones(root, "", found)
    same = {data: data for data in found.values()}  # many zones have two names
    return {name: same[data] for name, data in sorted(found.items())}


def _read_zones(folder: str, prefix: str, found: dict[str, bytes]) -> None:
    """Add the zones below *folder* that are not *found* yet; their names begin with *prefix*."""
    for entry in os.scandir(folder):
        name = prefix + entry.name
        if name in found or name in _NO_ZONES:
            continue
        if entry.is_dir():
            _read_zones(entry.path, f"{name}/", found)
        elif (data := _read_file(entry.path)).startswith(b"TZif"):
            found[name] = data


def _read_file(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # 600 times: without what open() asks for besides
    try:
        return os.read(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


@cache
def _zone(key: str) -> zoneinfo.ZoneInfo:
    return read_zone(key)


def read_zone(key: str) -> zoneinfo.ZoneInfo:
    """
    Return the time zone *key*, made anew of its file.
    """
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(zone_files()[key]), key)


@named("ZoneInfo")
def zone(key: str) -> zoneinfo.ZoneInfo:
    """
    Return the time zone *key*, such as "Europe/Moscow".

    Raises:
        zoneinfo.ZoneInfoNotFoundError: There is none of this name.
    """
    if type(key) is not str:
        raise TypeError(f"ZoneInfo() takes a name as text, not {type(key).__name__}.")
    if key in zone_files():
        return _zone(key)
    near = get_close_matches(key[:60], zone_files(), n=1)
    hint = f'; did you mean "{near[0]}"?' if near else "; names are like Europe/Moscow."
    raise zoneinfo.ZoneInfoNotFoundError(f"there is no time zone {key[:60]!r}{hint}") from None


@named("zoneinfo.available_timezones")
def zone_names() -> set[str]:
    return set(zone_files())


# decimal: one context a run.


def decimal_context() -> decimal.Context:
    """
    Return a context as Python starts with, whatever runs before did.
    """
    return decimal.Context(
        prec=28,
        rounding=decimal.ROUND_HALF_EVEN,
        traps=[decimal.DivisionByZero, decimal.InvalidOperation, decimal.Overflow],
    )


@named("decimal.localcontext")
def decimal_localcontext(*, prec: int | None = None, rounding: str | None = None) -> Any:
    context = decimal.getcontext().copy()
    if prec is not None:
        if type(prec) is not int or not 1 <= prec <= _PRECISION_MAX:
            raise ValueError(f"localcontext() takes 1 to {_PRECISION_MAX} digits as prec.")
        context.prec = prec
    if rounding is not None:
        if type(rounding) is not str or rounding not in ROUNDINGS:
            raise ValueError(f"localcontext() takes as rounding: {', '.join(f'decimal.{name}' for name in ROUNDINGS)}.")
        context.rounding = rounding
    return decimal.localcontext(context)


# random: one generator a run.

_RANDOM = (
    *("betavariate", "expovariate", "gauss", "getrandbits", "normalvariate", "randbytes", "randint"),
    *("random", "randrange", "triangular", "uniform"),
)
_SEEDS = frozenset({type(None), int, float, str, bytes})


def random_members(seed: int | None) -> dict[str, object]:
    """
    Return what `random` offers in one run; with the system's entropy where *seed* is None.
    """
    generator = random.Random(seed)

    @named("random.choice")
    def choice(seq: Any) -> Any:
        return generator.choice(_sequence(seq))

    @named("random.choices")
    def choices(population: Any, weights: Any = None, *, cum_weights: Any = None, k: int = 1) -> Any:
        return generator.choices(_sequence(population), _numbers(weights), cum_weights=_numbers(cum_weights), k=k)

    @named("random.sample")
    def sample(population: Any, k: int) -> Any:
        return generator.sample(_sequence(population), k)

    @named("random.shuffle")
    def shuffle(x: Any) -> None:
        if type(x) is not list:  # it writes, past the guard of writes
            raise TypeError(f"random.shuffle() takes a list, not {type(x).__name__}.")
        generator.shuffle(x)

    @named("random.seed")
    def seed_again(a: Any = None) -> None:
        if type(a) not in _SEEDS:
            raise TypeError(f"random.seed() takes a number or text, not {type(a).__name__}.")
        generator.seed(a)

    functions = {name: checked(getattr(generator, name)) for name in _RANDOM}
    return {
        **functions,
        "choice": choice,
        "choices": choices,
        "sample": sample,
        "shuffle": shuffle,
        "seed": seed_again,
    }


def _sequence(value: Any) -> Any:
    if type(value) not in (list, tuple, str, bytes, range, deque):
        raise TypeError(f"random takes a list here, not {type(value).__name__}; list(value) makes one.")
    return value


def _numbers(values: Any) -> Any:
    if values is None:
        return None
    numbers = list(values)
    if any(type(number) not in (int, float) for number in numbers):
        raise TypeError("random.choices() takes numbers as weights.")
    return numbers
