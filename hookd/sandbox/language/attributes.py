"""
Which attributes a hook may read, by the exact type of the object: everything else is refused.

A list of what is allowed, not of what is forbidden, and exact types, so that nothing that a new Python version, a
library or a hook's own class adds is reachable by default. Left out on purpose:

* `str.format` and `format_map`: they walk attributes by a text that no compiler sees (CVE-2023-41039).
* What generators have beside `send`, `throw`, `close`: `gi_frame` and its like lead to host frames (CVE-2023-37271).
* What exceptions have beside `args` and plain facts: `obj` hands out the object that failed (CVE-2024-47532),
  `with_traceback` and `__context__` the host's frames.
* `re.Pattern.groupindex`, and every other mappingproxy: to compare one with a hook's object hands the dict behind it
  to the hook's `__eq__`, and compiled patterns are kept from run to run.
* `fget` of properties, and everything of functions, methods, code and tracebacks (`__name__` see `guards`).
"""

import collections
import datetime
import decimal
import hashlib
import hmac
import ipaddress
import itertools
import json
import re
import time
import uuid
import zoneinfo
from collections.abc import Mapping
from types import GeneratorType, MappingProxyType
from urllib import parse

HASHES = ("blake2b", "blake2s", "md5", "sha1", "sha224", "sha256", "sha384", "sha3_256", "sha3_512", "sha512")


def _names(*names: str) -> frozenset[str]:
    return frozenset(" ".join(names).split())


_TEXT = _names(
    "capitalize center count endswith expandtabs find index isalnum isalpha isascii isdigit islower isspace istitle",
    "isupper join ljust lower lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust",
    "rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill",
)
_INTEGER = _names("as_integer_ratio bit_count bit_length denominator from_bytes is_integer numerator to_bytes")
_DICT = _names("clear copy fromkeys get items keys pop popitem setdefault update values")
_FROZEN_SET = _names("copy difference intersection isdisjoint issubset issuperset symmetric_difference union")
_DATE = _names(
    "ctime day fromisocalendar fromisoformat fromordinal fromtimestamp isocalendar isoformat isoweekday max min month",
    "replace resolution strftime timetuple today toordinal weekday year",
)
_TIME = _names("dst fold hour isoformat max microsecond min minute replace resolution second strftime tzinfo tzname")
_HASH = _names("block_size copy digest digest_size hexdigest name update")
_ADDRESS = _names(
    "compressed exploded is_global is_link_local is_loopback is_multicast is_private is_reserved is_unspecified",
    "max_prefixlen packed reverse_pointer version",
)
_NETWORK = (_ADDRESS - {"packed"}) | _names(
    "address_exclude broadcast_address hostmask hosts netmask network_address num_addresses overlaps prefixlen",
    "subnet_of subnets supernet supernet_of with_hostmask with_netmask with_prefixlen",
)
_INTERFACE = _ADDRESS | _names("hostmask ip netmask network with_hostmask with_netmask with_prefixlen")
_URL = _names("count fragment geturl hostname index netloc password path port query scheme username")
_UNICODE_ERROR = _names("args encoding end reason start")

ATTRIBUTES: Mapping[type, frozenset[str]] = MappingProxyType(
    {
        str: _TEXT | _names("casefold encode isdecimal isidentifier isnumeric isprintable"),
        bytes: _TEXT | _names("decode fromhex hex"),
        int: _INTEGER,
        bool: _INTEGER,
        float: _names("as_integer_ratio fromhex hex is_integer"),
        list: _names("append clear copy count extend index insert pop remove reverse sort"),
        tuple: _names("count index"),
        dict: _DICT,
        set: _FROZEN_SET
        | _names("add clear difference_update discard intersection_update pop remove")
        | _names("symmetric_difference_update update"),
        frozenset: _FROZEN_SET,
        range: _names("count index start step stop"),
        slice: _names("indices start step stop"),
        type({}.keys()): _names("isdisjoint"),
        type({}.items()): _names("isdisjoint"),
        GeneratorType: _names("close send throw"),
        property: _names("deleter getter setter"),
        collections.Counter: _DICT | _names("elements most_common subtract total"),
        collections.OrderedDict: _DICT | _names("move_to_end"),
        collections.defaultdict: _DICT,
        collections.deque: _names(
            "append appendleft clear copy count extend extendleft index insert maxlen pop popleft remove reverse rotate"
        ),
        datetime.date: _DATE,
        datetime.time: _TIME | _names("fromisoformat utcoffset"),
        datetime.datetime: _DATE
        | _TIME
        | _names("astimezone combine date now strptime time timestamp timetz utcfromtimestamp utcnow utcoffset")
        | _names("utctimetuple"),
        datetime.timedelta: _names("days max microseconds min resolution seconds total_seconds"),
        datetime.timezone: _names("dst fromutc max min tzname utc utcoffset"),
        type(datetime.date.min.isocalendar()): _names("count index week weekday year"),
        time.struct_time: _names("tm_hour tm_isdst tm_mday tm_min tm_mon tm_sec tm_wday tm_yday tm_year"),
        zoneinfo.ZoneInfo: _names("dst fromutc key tzname utcoffset"),
        decimal.Decimal: _names(
            "adjusted as_integer_ratio as_tuple compare copy_abs copy_negate copy_sign exp fma from_float is_finite",
            "is_infinite is_nan is_normal is_signed is_subnormal is_zero ln log10 logb max max_mag min min_mag",
            "normalize quantize remainder_near same_quantum scaleb sqrt to_eng_string to_integral to_integral_exact",
            "to_integral_value",
        ),
        decimal.Context: _names("prec rounding"),
        decimal.DecimalTuple: _names("count digits exponent index sign"),
        re.Match: _names("end endpos expand group groupdict groups lastgroup lastindex pos re span start string"),
        re.Pattern: _names("findall finditer flags fullmatch groups match pattern search split sub subn"),
        **{type(getattr(hashlib, name)()): _HASH for name in HASHES},
        hmac.HMAC: _HASH,
        uuid.UUID: _names("bytes hex int urn variant version"),
        ipaddress.IPv4Address: _ADDRESS,
        ipaddress.IPv6Address: _ADDRESS | _names("ipv4_mapped is_site_local scope_id sixtofour teredo"),
        ipaddress.IPv4Network: _NETWORK,
        ipaddress.IPv6Network: _NETWORK | _names("is_site_local"),
        ipaddress.IPv4Interface: _INTERFACE,
        ipaddress.IPv6Interface: _INTERFACE,
        parse.SplitResult: _URL,
        parse.ParseResult: _URL | _names("params"),
        json.JSONDecodeError: _names("args colno doc lineno msg pos"),
        re.error: _names("args colno lineno msg pattern pos"),
        StopIteration: _names("args value"),
        OSError: _names("args errno strerror"),
        UnicodeDecodeError: _UNICODE_ERROR,
        UnicodeEncodeError: _UNICODE_ERROR,
    }
)

EXCEPTION_ATTRIBUTES = _names("args")  # of every other exception

_CLASSES = (
    *(str, bytes, int, bool, float, list, tuple, dict, set, frozenset),
    *(collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone, decimal.Decimal),
)

# Of classes themselves: constructors such as datetime.now, and methods as functions, as in map(str.strip, lines).
CLASS_ATTRIBUTES: Mapping[type, frozenset[str]] = MappingProxyType(
    {**{kind: ATTRIBUTES[kind] for kind in _CLASSES}, itertools.chain: _names("from_iterable")}
)

# Attributes of host objects that a hook may set: a decimal context is a run's own.
WRITABLE_ATTRIBUTES: Mapping[type, frozenset[str]] = MappingProxyType({decimal.Context: _names("prec rounding")})

# What type(x) may hand out beside exceptions and a hook's own classes: classes that make nothing but plain data.
# Not there: `type` and metaclasses (called with three arguments they make classes past our metaclass), functions,
# methods, and classes whose constructor is offered only behind a check (ZoneInfo).
TYPES = frozenset(
    {
        *(*_CLASSES, type(None), object, range, re.Match, re.Pattern, GeneratorType, uuid.UUID),
        *(ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Network, ipaddress.IPv6Network),
        *(ipaddress.IPv4Interface, ipaddress.IPv6Interface),
    }
)
