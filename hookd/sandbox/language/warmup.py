"""
Executes everything that a hook may use once, so that a locked process needs no file afterwards.

Importing is not enough: Python loads parts of itself at first use (codecs, `heapq` in Counter.most_common). What
modules offer is exercised by a hook, in the hooks' own language: that warms the compiler, the guards and the imports
that C code makes from a hook's frame as well. A test checks that it names every function.
"""

import codecs
import re
import traceback
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from hookd.errors import LoadError
from hookd.sandbox.language.compiler import compile_source
from hookd.sandbox.language.explain import explain
from hookd.sandbox.language.facades import read_zone
from hookd.sandbox.language.guards import attribute_guards
from hookd.sandbox.language.module import Module
from hookd.sandbox.language.plain import plain
from hookd.sandbox.language.session import Session

CODECS = (
    *(
        "ascii",
        "cp1251",
        "cp1252",
        "cp437",
        "cp866",
        "idna",
        "iso8859-1",
        "iso8859-15",
        "iso8859-5",
        "koi8-r",
        "koi8-u",
    ),
    *("latin-1", "mac-cyrillic", "punycode", "unicode_escape", "utf-16", "utf-16-be", "utf-16-le", "utf-32"),
    *("utf-32-be", "utf-32-le", "utf-7", "utf-8", "utf-8-sig"),
)

HOOK = """
import base64, calendar, collections, datetime, decimal, hashlib, hmac, html, ipaddress, itertools, json, math, random
import re, statistics, textwrap, time, unicodedata, urllib.parse, uuid, zoneinfo
from lib.warm import twice

class Warm(Exception):
    @property
    def text(self):
        return f"{self!r:>5}"

def bases():
    data = b"warm-up!"
    texts = [base64.b64encode(data), base64.b32encode(data), base64.b16encode(data), base64.standard_b64encode(data)]
    texts.append(base64.urlsafe_b64encode(data))
    yield texts
    yield base64.b64decode(texts[0]), base64.b32decode(texts[1]), base64.b16decode(texts[2])
    yield base64.standard_b64decode(texts[3]), base64.urlsafe_b64decode(texts[4])

def calendars():
    yield calendar.isleap(2024), calendar.leapdays(2000, 2024), calendar.monthcalendar(2024, 2)
    yield calendar.monthrange(2024, 2)
    yield calendar.timegm((2024, 1, 1, 0, 0, 0)), calendar.weekday(2024, 1, 1)
    yield calendar.day_abbr, calendar.day_name, calendar.month_abbr, calendar.month_name
    yield calendar.MONDAY, calendar.TUESDAY, calendar.WEDNESDAY, calendar.THURSDAY, calendar.FRIDAY
    yield calendar.SATURDAY, calendar.SUNDAY

def containers():
    counter = collections.Counter("warm")
    yield counter.most_common(1), counter.most_common(), counter.subtract("a"), list(counter.elements())
    yield counter.total()
    yield collections.OrderedDict(a=1), collections.defaultdict(list)["a"], collections.deque([1], 3)

def times():
    now = datetime.datetime(2024, 2, 29, 10, 11, 12, tzinfo=datetime.UTC)
    moments = datetime.datetime.now(datetime.UTC), datetime.date.today(), now.timestamp()
    moments = time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
    text = now.strftime("%Y-%m-%d %H:%M:%S %A %B %c %x %X %p %Z")
    yield datetime.datetime.strptime("2024-02-29 10:11:12 Thursday February", "%Y-%m-%d %H:%M:%S %A %B")
    yield datetime.datetime.strptime("29.02.24 10:11 +0300", "%d.%m.%y %H:%M %z")
    yield datetime.datetime.fromisoformat("2024-02-29T10:11:12+03:00"), datetime.datetime.fromtimestamp(0)
    yield f"{now:%d.%m.%Y}"
    yield datetime.time(10, 11).isoformat(), datetime.timedelta(days=1), datetime.timezone.utc
    yield datetime.MINYEAR, datetime.MAXYEAR, now.timetuple(), now.utctimetuple(), now.isocalendar(), now.ctime()
    zone = zoneinfo.ZoneInfo("Europe/Moscow")
    yield now.astimezone(zone).isoformat(), sorted(zoneinfo.available_timezones())
    try:
        yield zoneinfo.ZoneInfo("Europe/Mosco")
    except zoneinfo.ZoneInfoNotFoundError as error:
        yield str(error)

def decimals():
    with decimal.localcontext(prec=6, rounding=decimal.ROUND_HALF_UP):
        value = decimal.Decimal("10") / 3
    yield value.quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_HALF_EVEN), f"{value:,.2f}", value.as_tuple()
    yield value.exp(), value.ln(), value.log10(), value.sqrt(), int(value), float(value), round(value, 2), hash(value)
    roundings = decimal.ROUND_05UP, decimal.ROUND_CEILING, decimal.ROUND_DOWN, decimal.ROUND_FLOOR
    roundings = decimal.ROUND_HALF_DOWN, decimal.ROUND_UP
    for text in ("1/0", "x", "1e9999999"):
        try:
            yield decimal.Decimal(text) ** 99
        except (decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero) as error:
            yield str(error)
    yield decimal.DecimalException, decimal.Inexact, decimal.Underflow

def digests():
    for make in (hashlib.md5, hashlib.sha1, hashlib.sha224, hashlib.sha256, hashlib.sha384, hashlib.sha512):
        yield make(b"warm").hexdigest()
    for make in (hashlib.sha3_256, hashlib.sha3_512, hashlib.blake2b, hashlib.blake2s):
        yield make(b"warm").copy().digest()
        yield hmac.new(b"key", b"warm", make).hexdigest()
    yield hashlib.new("sha256", b"warm"), hmac.new(b"key", b"warm", "sha256"), hmac.digest(b"key", b"warm", "sha256")
    yield hmac.compare_digest("a", "b")

def texts():
    yield html.escape("<a>"), html.unescape("&lt;&eacute;&#1234;")
    long = "warm " * 30
    yield textwrap.dedent("  a\\n  b"), textwrap.fill(long), textwrap.indent(long, "> "), textwrap.shorten(long, 20)
    yield textwrap.wrap(long, width=20)
    yield unicodedata.name("a"), unicodedata.bidirectional("a"), unicodedata.category("a"), unicodedata.combining("a")
    yield unicodedata.decimal("1")
    yield unicodedata.decomposition("\\u0439"), unicodedata.digit("1"), unicodedata.east_asian_width("a")
    yield unicodedata.mirrored("(")
    yield unicodedata.is_normalized("NFC", "a"), unicodedata.lookup("EURO SIGN")
    yield unicodedata.normalize("NFKD", "\\u0439")
    yield unicodedata.numeric("1"), "\\N{EURO SIGN}".casefold(), "warm".title().swapcase().encode("utf-8", "replace")
    try:
        yield "\\u0439".encode("ascii")
    except UnicodeEncodeError as error:
        yield str(error)
    yield "\\u0439".encode("ascii", "xmlcharrefreplace"), "\\u0439".encode("ascii", "namereplace")
    yield "%5.2f %s %r" % (1.5, "a", "b")

def addresses():
    yield ipaddress.ip_address("192.0.2.1").is_private, ipaddress.ip_interface("192.0.2.1/24").network
    yield list(ipaddress.ip_network("192.0.2.0/30").hosts())
    yield ipaddress.IPv4Address(1), ipaddress.IPv6Address("::1").compressed
    first, last = ipaddress.IPv4Address("192.0.2.0"), ipaddress.IPv4Address("192.0.2.3")
    yield list(ipaddress.summarize_address_range(first, last))
    halves = [ipaddress.IPv4Network("192.0.2.0/31"), ipaddress.IPv4Network("192.0.2.2/31")]
    yield list(ipaddress.collapse_addresses(halves))
    yield ipaddress.IPv6Network("2001:db8::/32").is_private, ipaddress.IPv4Interface("192.0.2.1/24")
    yield ipaddress.IPv6Interface("::1/64"), ipaddress.ip_address("2001:db8::1").exploded
    for text in ("x", "1.2.3.4/99", "1.2.3"):
        try:
            yield ipaddress.ip_network(text)
        except (ValueError, ipaddress.AddressValueError, ipaddress.NetmaskValueError) as error:
            yield str(error)

def iterators():
    rows = [3, 1, 2]
    yield list(itertools.accumulate(rows)), list(itertools.chain(rows, rows)), list(itertools.combinations(rows, 2))
    yield list(itertools.chain.from_iterable([rows])), list(itertools.combinations_with_replacement(rows, 2))
    yield list(itertools.compress(rows, rows)), next(itertools.count()), next(itertools.cycle(rows))
    yield list(itertools.dropwhile(bool, rows)), list(itertools.filterfalse(bool, rows))
    yield list(itertools.islice(rows, 1))
    yield [list(group) for key, group in itertools.groupby(rows)], list(itertools.pairwise(rows))
    yield list(itertools.permutations(rows)), list(itertools.product(rows, rows)), list(itertools.repeat(1, 2))
    yield list(itertools.starmap(max, [rows])), list(itertools.takewhile(bool, rows))
    yield list(itertools.zip_longest(rows, []))

def jsons():
    text = json.dumps({"a": [1, 1.5, None, True, "\\u0439"]}, indent=2, sort_keys=True, ensure_ascii=False)
    yield json.dumps(json.loads(text), separators=(",", ":"))
    try:
        yield json.loads("{")
    except json.JSONDecodeError as error:
        yield str(error)

def numbers():
    for function in (math.acos, math.asin, math.atan, math.atanh, math.cos, math.cosh, math.sin, math.sinh, math.tan):
        yield function(0.5)
    yield math.acosh(2), math.asinh(2), math.atan2(1, 2), math.cbrt(8), math.ceil(1.5), math.comb(5, 2)
    yield math.copysign(1, -1)
    yield math.degrees(1), math.dist([1], [2]), math.e, math.erf(1), math.erfc(1), math.exp(1), math.exp2(1)
    yield math.expm1(1)
    yield math.fabs(-1), math.factorial(5), math.floor(1.5), math.fmod(3, 2), math.frexp(1.5), math.fsum([1, 2])
    yield math.gamma(3)
    yield math.gcd(4, 6), math.hypot(3, 4), math.inf, math.isclose(1, 1), math.isfinite(1), math.isinf(1)
    yield math.isnan(1)
    yield math.isqrt(9), math.lcm(4, 6), math.ldexp(1.5, 2), math.lgamma(3), math.log(2), math.log10(2), math.log1p(2)
    yield math.log2(2), math.modf(1.5), math.nan, math.perm(5, 2), math.pi, math.pow(2, 3), math.prod([1, 2])
    yield math.radians(1)
    yield math.remainder(5, 3), math.sqrt(2), math.tanh(1), math.tau, math.trunc(1.5)
    rows = [1, 2, 2, 3.5]
    yield statistics.mean(rows), statistics.fmean(rows), statistics.geometric_mean(rows)
    yield statistics.harmonic_mean(rows)
    yield statistics.median(rows), statistics.median_high(rows), statistics.median_low(rows), statistics.mode(rows)
    yield statistics.multimode(rows), statistics.pstdev(rows), statistics.pvariance(rows), statistics.stdev(rows)
    yield statistics.variance(rows), statistics.quantiles(rows), statistics.mean([decimal.Decimal(1), 2])
    try:
        yield statistics.mean([])
    except statistics.StatisticsError as error:
        yield str(error)
    yield random.seed(1), random.random(), random.uniform(1, 2), random.triangular(1, 2), random.randint(1, 2)
    yield random.randrange(5), random.choice(rows), random.choices(rows, [1, 1, 1, 1], k=2), random.sample(rows, 2)
    yield random.shuffle(rows), random.gauss(0, 1), random.normalvariate(0, 1), random.expovariate(1)
    yield random.betavariate(1, 2), random.getrandbits(8), random.randbytes(2)

def patterns():
    pattern = re.compile(r"(?P<word>\\w+)-(\\d+)", re.IGNORECASE | re.VERBOSE)
    yield re.A | re.ASCII | re.I | re.M | re.MULTILINE | re.S | re.DOTALL | re.U | re.UNICODE | re.X | re.L | re.LOCALE
    yield pattern.sub(r"\\g<word>\\2", "warm-1"), pattern.subn(lambda found: found["word"], "warm-1")
    yield re.sub(r"(a)", r"\\1", "a"), re.subn("a", "b", "a"), re.match("a", "a").expand(r"\\g<0>")
    yield re.search("a", "b")
    yield re.fullmatch("a", "a"), re.findall("a", "a"), list(re.finditer("a", "a")), re.split("a", "bab")
    yield re.escape("a.b")
    try:
        yield re.compile("(")
    except re.error as error:
        yield str(error)

def links():
    query = urllib.parse.urlencode({"a": "\\u0439 b", "c": [1, 2]}, doseq=True)
    parts = urllib.parse.urlsplit("https://user@crm.example.ru:8443/a?" + query)
    yield parts.hostname, parts.port, urllib.parse.urlunsplit(parts)
    yield urllib.parse.urlunparse(urllib.parse.urlparse("http://a/b"))
    yield urllib.parse.parse_qs(query), urllib.parse.parse_qsl(query), urllib.parse.urljoin("http://a/b/", "c")
    yield urllib.parse.quote("\\u0439 b"), urllib.parse.quote_plus("a b"), urllib.parse.unquote("%D0%B9")
    yield urllib.parse.unquote_plus("a+b")
    yield uuid.uuid4().version, uuid.uuid3(uuid.NAMESPACE_DNS, "a"), uuid.uuid5(uuid.NAMESPACE_URL, "a")
    yield uuid.UUID(int=1)
    yield uuid.NAMESPACE_OID, uuid.NAMESPACE_X500

def language(request):
    match request:
        case {"phone": [str_ , *rest]} | [str_, *rest] if rest:
            pass
        case {"a": 1, **more}:
            more["b"] = 1
            more["b"] += 1
    box = Warm("warm")
    box.count = 1
    box.count += 1
    print(box.text, repr(box), ascii("\\u0439"), sorted([2, 1], reverse=True), type(box).__name__, "\\x1b")
    return twice(float("1.5")), int("10"), chr(1081), bytes([1]).hex(), round(1.5), f"{1.5:010.2f} {12345:,}"

def warm(request):
    return {"ok": list(language(request))}

def fail(request):
    return request["warm"]["up"]
"""

LIB = "def twice(value):\n    return value * 2\n"

# The functions of HOOK that go through what modules offer; each yields results that are the same at every call.
PARTS = (
    *("bases", "calendars", "containers", "times", "decimals", "digests", "texts", "addresses", "iterators", "jsons"),
    *("numbers", "patterns", "links"),
)
ZONES = ("Asia/Kolkata", "Europe/Moscow", "UTC")
MOMENT = datetime(2024, 7, 1)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")

_BROKEN = (
    "def f(:\n",
    "import os\nimport sys\nx.__class__\n",
    "-" * 100_000 + "1",
    'x = "\N{LEFT DOUBLE QUOTATION MARK}\n',
)


def warm_up() -> dict[str, str]:
    """
    Execute all that hooks may use, from the compiler to the error messages.

    Returns:
        What was executed → what came of it as text, the same at every call.
    """
    results = {"zones": _text([read_zone(key).utcoffset(MOMENT) for key in ZONES])}
    for name in CODECS:
        codecs.lookup(name)
        results[f"codec {name}"] = _text(["warm".encode(name), "warm".encode(name).decode(name)])
    libs = {"warm": compile_source(LIB, "lib/warm.py")}
    module = _hook()
    session = Session(libs, attributes=attribute_guards({}), cancel=None, seed=1)
    names: dict[str, Any] = session.run_module(module)
    for name in PARTS:
        results[name] = _text(list(names[name]()))
    results["language"] = _text(plain(names["warm"]({"a": 1})))
    failures = (
        lambda: names["fail"]({"phone": 1}),
        lambda: names["fail"]({"warm": None}),
        lambda: names["nosuch"],
    )
    for number, failure in enumerate(failures):
        results[f"failure {number}"] = _explained(failure, [module, *libs.values()])
    for number, source in enumerate(_BROKEN):
        results[f"refusal {number}"] = _refused(source)
    results["traceback"] = _traceback()
    return results


@cache
def _hook() -> Module:
    """HOOK, compiled by the zygote alone: half of the warm-up. The shorter sources are compiled in a lock as well."""
    return compile_source(HOOK, "warm.py")


def _text(value: object) -> str:
    return _ADDRESS.sub("", repr(value))


def _traceback() -> str:
    """
    Format a traceback: Python loads modules for that only then (tokenize, from 3.13 on).
    """
    try:
        raise ValueError("warm")
    except ValueError:
        return traceback.format_exc().splitlines()[-1]  # the lines above quote the source, which a lock denies


def _explained(failure: Callable[[], object], modules: list[Any]) -> str:
    try:
        return _text(failure())
    except Exception as error:
        return _text(explain(error, modules))


def _refused(source: str) -> str:
    try:
        return _text(compile_source(source, "warm.py"))
    except LoadError as error:
        return str(error)
