"""
What hooks may import: for each module the names that it offers, and nothing else of it.

A hook never gets a module: 33 of 63 commonly offered ones lead to `sys`, `os` or `open` over public names
(`json.codecs.sys`, `re.enum.sys`, `datetime.sys`). It gets a `Namespace` that holds what stands here. All are immutable
and shared between runs, but for `random` and `decimal`, which have state and are made for each run (`PER_RUN`).
"""

import base64
import calendar
import collections
import datetime
import decimal
import hashlib
import hmac
import html
import ipaddress
import itertools
import json
import math
import re
import statistics
import textwrap
import time
import unicodedata
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any
from urllib import parse

from hookd.sandbox.language import facades
from hookd.sandbox.language.attributes import HASHES
from hookd.sandbox.language.facades import checked
from hookd.sandbox.language.namespace import Namespace


def _pick(module: ModuleType, *names: str) -> dict[str, object]:
    """*names* of *module* as they are; those that came with a later Python are offered from there on."""
    return {name: getattr(module, name) for name in " ".join(names).split() if hasattr(module, name)}


def _checked(module: ModuleType, *names: str, keywords: str = "") -> dict[str, object]:
    return {name: checked(getattr(module, name), keywords) for name in " ".join(names).split()}


_WRAP = "width initial_indent subsequent_indent expand_tabs tabsize replace_whitespace fix_sentence_endings"
_WRAP += " break_long_words drop_whitespace break_on_hyphens max_lines placeholder"

_DECIMAL: Mapping[str, object] = {
    **_pick(decimal, "Decimal", *facades.ROUNDINGS),
    **_pick(decimal, "DecimalException DivisionByZero Inexact InvalidOperation Overflow Underflow"),
    "localcontext": facades.decimal_localcontext,
}


def _decimal_members(seed: int | None) -> Mapping[str, object]:
    # The context is the thread's, not the module's: whoever imports decimal first in a run finds a fresh one.
    decimal.setcontext(facades.decimal_context())
    return _DECIMAL


# Modules with state: made at their first import in a run, from the run's seed.
PER_RUN: Mapping[str, Callable[[int | None], Mapping[str, object]]] = MappingProxyType(
    {"decimal": _decimal_members, "random": facades.random_members}
)

_MEMBERS: Mapping[str, Mapping[str, Any]] = {
    "base64": {
        **_checked(base64, "b16decode b16encode b32decode b32encode standard_b64decode standard_b64encode"),
        **_checked(base64, "b64decode", keywords="altchars validate"),
        **_checked(base64, "b64encode", keywords="altchars"),
        **_checked(base64, "urlsafe_b64decode urlsafe_b64encode"),
    },
    "calendar": {
        **_checked(calendar, "isleap leapdays monthcalendar timegm"),
        "monthrange": facades.calendar_monthrange,
        "weekday": facades.calendar_weekday,
        # As tuples and numbers: the originals are objects that ask the locale, and members of an enum.
        **{name: tuple(getattr(calendar, name)) for name in ("day_abbr", "day_name", "month_abbr", "month_name")},
        **{
            name: number
            for number, name in enumerate(
                ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
            )
        },
    },
    "collections": _pick(collections, "Counter OrderedDict defaultdict deque"),
    "datetime": _pick(datetime, "MAXYEAR MINYEAR UTC date datetime time timedelta timezone"),
    "hashlib": {**_pick(hashlib, *HASHES), "new": facades.hashlib_new},
    "hmac": {
        "compare_digest": hmac.compare_digest,
        "digest": facades.hmac_digest,
        "new": facades.hmac_new,
    },
    "html": {**_checked(html, "escape", keywords="quote"), **_checked(html, "unescape")},
    "ipaddress": {
        **_checked(ipaddress, "ip_address collapse_addresses summarize_address_range"),
        **_checked(ipaddress, "ip_interface ip_network", keywords="strict"),
        **_pick(ipaddress, "IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network"),
        **_pick(ipaddress, "AddressValueError NetmaskValueError"),
    },
    "itertools": _pick(
        itertools,
        "accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile",
        "filterfalse groupby islice pairwise permutations product repeat starmap takewhile zip_longest",
    ),
    "json": {"JSONDecodeError": json.JSONDecodeError, "dumps": facades.json_dumps, "loads": facades.json_loads},
    "math": _pick(
        math,
        "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2",
        "expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp",
        "lgamma log log10 log1p log2 modf nan perm pi pow prod radians remainder sin sinh sqrt tan tanh tau trunc",
    ),
    "re": {
        **facades.RE_FLAGS,
        "compile": facades.re_compile,
        "error": re.error,
        "escape": checked(re.escape),
        "findall": facades.re_findall,
        "finditer": facades.re_finditer,
        "fullmatch": facades.re_fullmatch,
        "match": facades.re_match,
        "search": facades.re_search,
        "split": facades.re_split,
        "sub": facades.re_sub,
        "subn": facades.re_subn,
    },
    "statistics": {
        "StatisticsError": statistics.StatisticsError,
        **{
            name: facades.statistic(name)
            for name in ("geometric_mean", "harmonic_mean", "mean", "median", "median_high", "median_low", "mode")
        },
        **{name: facades.statistic(name) for name in ("multimode", "pstdev", "pvariance", "stdev", "variance")},
        "fmean": facades.statistic("fmean", "weights"),
        "quantiles": facades.statistic("quantiles", "n method"),
    },
    "textwrap": {
        **_checked(textwrap, "dedent indent"),
        **_checked(textwrap, "fill wrap shorten", keywords=_WRAP),
    },
    "time": _pick(time, "monotonic perf_counter time time_ns"),
    "unicodedata": _pick(
        unicodedata,
        "bidirectional category combining decimal decomposition digit east_asian_width is_normalized lookup mirrored",
        "name normalize numeric",
    ),
    "urllib.parse": {
        **_checked(parse, "urlunparse urlunsplit"),
        **_checked(parse, "quote quote_plus", keywords="safe encoding errors"),
        **_checked(parse, "unquote unquote_plus", keywords="encoding errors"),
        **_checked(parse, "urlencode", keywords="doseq safe encoding errors"),
        **_checked(parse, "parse_qs parse_qsl", keywords="keep_blank_values strict_parsing max_num_fields separator"),
        **_checked(parse, "urlparse urlsplit", keywords="scheme allow_fragments"),
        **_checked(parse, "urljoin", keywords="allow_fragments"),
    },
    "uuid": {
        **_pick(uuid, "NAMESPACE_DNS NAMESPACE_OID NAMESPACE_URL NAMESPACE_X500 UUID"),
        **_checked(uuid, "uuid3 uuid4 uuid5"),
    },
    "zoneinfo": {
        "ZoneInfo": facades.zone,
        "ZoneInfoNotFoundError": zoneinfo.ZoneInfoNotFoundError,
        "available_timezones": facades.zone_names,
    },
}

_SPACES = {name: Namespace(name, MappingProxyType(dict(members))) for name, members in _MEMBERS.items()}
_URLLIB = Namespace("urllib", MappingProxyType({"parse": _SPACES["urllib.parse"]}))
SHARED: Mapping[str, Namespace] = MappingProxyType({**_SPACES, "urllib": _URLLIB})

# Module → what may be imported from it; what the compiler checks against, and what it tells in its remedies.
OFFERED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **{name: frozenset(space.members) for name, space in SHARED.items()},
        "decimal": frozenset(_DECIMAL),
        "random": frozenset(facades.random_members(0)),
    }
)
IMPORTABLE = tuple(sorted(set(OFFERED) - {"urllib"}))
