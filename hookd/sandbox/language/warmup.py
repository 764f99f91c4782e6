"""
Executes everything that a hook may use once, so that a locked process needs no file afterwards.

Importing is not enough: Python loads parts of itself at first use (codecs, `heapq` in Counter.most_common). What
modules offer is exercised by a hook, in the hooks' own language: that warms the compiler, the guards and the imports
that C code makes from a hook's frame as well. A test checks that it names every function.
"""

import codecs
from collections.abc import Callable
from typing import Any

from hookd.errors import LoadError
from hookd.sandbox.language.compiler import compile_source
from hookd.sandbox.language.explain import explain
from hookd.sandbox.language.facades import zones
from hookd.sandbox.language.guards import attribute_guards
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
    base64.b64decode(texts[0]), base64.b32decode(texts[1]), base64.b16decode(texts[2])
    base64.standard_b64decode(texts[3]), base64.urlsafe_b64decode(texts[4])

def calendars():
    calendar.isleap(2024), calendar.leapdays(2000, 2024), calendar.monthcalendar(2024, 2), calendar.monthrange(2024, 2)
    calendar.timegm((2024, 1, 1, 0, 0, 0)), calendar.weekday(2024, 1, 1)
    calendar.day_abbr, calendar.day_name, calendar.month_abbr, calendar.month_name
    calendar.MONDAY, calendar.TUESDAY, calendar.WEDNESDAY, calendar.THURSDAY, calendar.FRIDAY
    calendar.SATURDAY, calendar.SUNDAY

def containers():
    counter = collections.Counter("warm")
    counter.most_common(1), counter.most_common(), counter.subtract("a"), list(counter.elements()), counter.total()
    collections.OrderedDict(a=1), collections.defaultdict(list)["a"], collections.deque([1], 3)

def times():
    now = datetime.datetime.now(datetime.UTC)
    text = now.strftime("%Y-%m-%d %H:%M:%S %A %B %c %x %X %p %Z")
    datetime.datetime.strptime("2024-02-29 10:11:12 Thursday February", "%Y-%m-%d %H:%M:%S %A %B")
    datetime.datetime.strptime("29.02.24 10:11 +0300", "%d.%m.%y %H:%M %z")
    datetime.datetime.fromisoformat("2024-02-29T10:11:12+03:00"), datetime.datetime.fromtimestamp(0), f"{now:%d.%m.%Y}"
    datetime.date.today(), datetime.time(10, 11).isoformat(), datetime.timedelta(days=1), datetime.timezone.utc
    datetime.MINYEAR, datetime.MAXYEAR, now.timetuple(), now.utctimetuple(), now.isocalendar(), now.ctime()
    time.time(), time.time_ns(), time.monotonic(), time.perf_counter()
    zone = zoneinfo.ZoneInfo("Europe/Moscow")
    now.astimezone(zone).isoformat(), now.astimezone(), zoneinfo.available_timezones()
    try:
        zoneinfo.ZoneInfo("Europe/Mosco")
    except zoneinfo.ZoneInfoNotFoundError as error:
        return str(error)

def decimals():
    with decimal.localcontext(prec=6, rounding=decimal.ROUND_HALF_UP):
        value = decimal.Decimal("10") / 3
    value.quantize(decimal.Decimal("0.01"), rounding=decimal.ROUND_HALF_EVEN), f"{value:,.2f}", value.as_tuple()
    value.exp(), value.ln(), value.log10(), value.sqrt(), int(value), float(value), round(value, 2), hash(value)
    roundings = decimal.ROUND_05UP, decimal.ROUND_CEILING, decimal.ROUND_DOWN, decimal.ROUND_FLOOR
    roundings = decimal.ROUND_HALF_DOWN, decimal.ROUND_UP
    for text in ("1/0", "x", "1e9999999"):
        try:
            decimal.Decimal(text) ** 99
        except (decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero) as error:
            str(error)
    decimal.DecimalException, decimal.Inexact, decimal.Underflow

def digests():
    for make in (hashlib.md5, hashlib.sha1, hashlib.sha224, hashlib.sha256, hashlib.sha384, hashlib.sha512):
        make(b"warm").hexdigest()
    for make in (hashlib.sha3_256, hashlib.sha3_512, hashlib.blake2b, hashlib.blake2s):
        make(b"warm").copy().digest()
        hmac.new(b"key", b"warm", make).hexdigest()
    hashlib.new("sha256", b"warm"), hmac.new(b"key", b"warm", "sha256"), hmac.digest(b"key", b"warm", "sha256")
    hmac.compare_digest("a", "b")

def texts():
    html.escape("<a>"), html.unescape("&lt;&eacute;&#1234;")
    long = "warm " * 30
    textwrap.dedent("  a\\n  b"), textwrap.fill(long), textwrap.indent(long, "> "), textwrap.shorten(long, 20)
    textwrap.wrap(long, width=20)
    unicodedata.name("a"), unicodedata.bidirectional("a"), unicodedata.category("a"), unicodedata.combining("a")
    unicodedata.decimal("1")
    unicodedata.decomposition("\\u0439"), unicodedata.digit("1"), unicodedata.east_asian_width("a")
    unicodedata.mirrored("(")
    unicodedata.is_normalized("NFC", "a"), unicodedata.lookup("EURO SIGN"), unicodedata.normalize("NFKD", "\\u0439")
    unicodedata.numeric("1"), "\\N{EURO SIGN}".casefold(), "warm".title().swapcase().encode("utf-8", "replace")
    try:
        "\\u0439".encode("ascii")
    except UnicodeEncodeError as error:
        str(error)
    "\\u0439".encode("ascii", "xmlcharrefreplace"), "\\u0439".encode("ascii", "namereplace")
    "%5.2f %s %r" % (1.5, "a", "b")

def addresses():
    ipaddress.ip_address("192.0.2.1").is_private, ipaddress.ip_interface("192.0.2.1/24").network
    list(ipaddress.ip_network("192.0.2.0/30").hosts())
    ipaddress.IPv4Address(1), ipaddress.IPv6Address("::1").compressed
    first, last = ipaddress.IPv4Address("192.0.2.0"), ipaddress.IPv4Address("192.0.2.3")
    list(ipaddress.summarize_address_range(first, last))
    list(ipaddress.collapse_addresses([ipaddress.IPv4Network("192.0.2.0/31"), ipaddress.IPv4Network("192.0.2.2/31")]))
    ipaddress.IPv6Network("2001:db8::/32").is_private, ipaddress.IPv4Interface("192.0.2.1/24")
    ipaddress.IPv6Interface("::1/64"), ipaddress.ip_address("2001:db8::1").exploded
    for text in ("x", "1.2.3.4/99", "1.2.3"):
        try:
            ipaddress.ip_network(text)
        except (ValueError, ipaddress.AddressValueError, ipaddress.NetmaskValueError) as error:
            str(error)

def iterators():
    rows = [3, 1, 2]
    list(itertools.accumulate(rows)), list(itertools.chain(rows, rows)), list(itertools.combinations(rows, 2))
    list(itertools.chain.from_iterable([rows])), list(itertools.combinations_with_replacement(rows, 2))
    list(itertools.compress(rows, rows)), next(itertools.count()), next(itertools.cycle(rows))
    list(itertools.dropwhile(bool, rows)), list(itertools.filterfalse(bool, rows)), list(itertools.islice(rows, 1))
    [list(group) for key, group in itertools.groupby(rows)], list(itertools.pairwise(rows))
    list(itertools.permutations(rows)), list(itertools.product(rows, rows)), list(itertools.repeat(1, 2))
    list(itertools.starmap(max, [rows])), list(itertools.takewhile(bool, rows)), list(itertools.zip_longest(rows, []))

def jsons():
    text = json.dumps({"a": [1, 1.5, None, True, "\\u0439"]}, indent=2, sort_keys=True, ensure_ascii=False)
    json.dumps(json.loads(text), separators=(",", ":"))
    try:
        json.loads("{")
    except json.JSONDecodeError as error:
        str(error)

def numbers():
    for function in (math.acos, math.asin, math.atan, math.atanh, math.cos, math.cosh, math.sin, math.sinh, math.tan):
        function(0.5)
    math.acosh(2), math.asinh(2), math.atan2(1, 2), math.cbrt(8), math.ceil(1.5), math.comb(5, 2), math.copysign(1, -1)
    math.degrees(1), math.dist([1], [2]), math.e, math.erf(1), math.erfc(1), math.exp(1), math.exp2(1), math.expm1(1)
    math.fabs(-1), math.factorial(5), math.floor(1.5), math.fmod(3, 2), math.frexp(1.5), math.fsum([1, 2])
    math.gamma(3)
    math.gcd(4, 6), math.hypot(3, 4), math.inf, math.isclose(1, 1), math.isfinite(1), math.isinf(1), math.isnan(1)
    math.isqrt(9), math.lcm(4, 6), math.ldexp(1.5, 2), math.lgamma(3), math.log(2), math.log10(2), math.log1p(2)
    math.log2(2), math.modf(1.5), math.nan, math.perm(5, 2), math.pi, math.pow(2, 3), math.prod([1, 2]), math.radians(1)
    math.remainder(5, 3), math.sqrt(2), math.tanh(1), math.tau, math.trunc(1.5)
    rows = [1, 2, 2, 3.5]
    statistics.mean(rows), statistics.fmean(rows), statistics.geometric_mean(rows), statistics.harmonic_mean(rows)
    statistics.median(rows), statistics.median_high(rows), statistics.median_low(rows), statistics.mode(rows)
    statistics.multimode(rows), statistics.pstdev(rows), statistics.pvariance(rows), statistics.stdev(rows)
    statistics.variance(rows), statistics.quantiles(rows), statistics.mean([decimal.Decimal(1), 2])
    try:
        statistics.mean([])
    except statistics.StatisticsError as error:
        str(error)
    random.seed(1), random.random(), random.uniform(1, 2), random.triangular(1, 2), random.randint(1, 2)
    random.randrange(5), random.choice(rows), random.choices(rows, [1, 1, 1, 1], k=2), random.sample(rows, 2)
    random.shuffle(rows), random.gauss(0, 1), random.normalvariate(0, 1), random.expovariate(1)
    random.betavariate(1, 2), random.getrandbits(8), random.randbytes(2)

def patterns():
    pattern = re.compile(r"(?P<word>\\w+)-(\\d+)", re.IGNORECASE | re.VERBOSE)
    re.A | re.ASCII | re.I | re.M | re.MULTILINE | re.S | re.DOTALL | re.U | re.UNICODE | re.X | re.L | re.LOCALE
    pattern.sub(r"\\g<word>\\2", "warm-1"), pattern.subn(lambda found: found["word"], "warm-1")
    re.sub(r"(a)", r"\\1", "a"), re.subn("a", "b", "a"), re.match("a", "a").expand(r"\\g<0>"), re.search("a", "b")
    re.fullmatch("a", "a"), re.findall("a", "a"), list(re.finditer("a", "a")), re.split("a", "bab"), re.escape("a.b")
    try:
        re.compile("(")
    except re.error as error:
        str(error)

def links():
    query = urllib.parse.urlencode({"a": "\\u0439 b", "c": [1, 2]}, doseq=True)
    parts = urllib.parse.urlsplit("https://user@crm.example.ru:8443/a?" + query)
    parts.hostname, parts.port, urllib.parse.urlunsplit(parts)
    urllib.parse.urlunparse(urllib.parse.urlparse("http://a/b"))
    urllib.parse.parse_qs(query), urllib.parse.parse_qsl(query), urllib.parse.urljoin("http://a/b/", "c")
    urllib.parse.quote("\\u0439 b"), urllib.parse.quote_plus("a b"), urllib.parse.unquote("%D0%B9")
    urllib.parse.unquote_plus("a+b")
    uuid.uuid4().hex, uuid.uuid3(uuid.NAMESPACE_DNS, "a"), uuid.uuid5(uuid.NAMESPACE_URL, "a"), uuid.UUID(int=1)
    uuid.NAMESPACE_OID, uuid.NAMESPACE_X500

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
    bases(), calendars(), containers(), times(), decimals(), digests(), texts(), addresses(), iterators(), jsons()
    numbers(), patterns(), links()
    return {"ok": list(language(request))}

def fail(request):
    return request["warm"]["up"]
"""

LIB = "def twice(value):\n    return value * 2\n"

_BROKEN = (
    "def f(:\n",
    "import os\nimport sys\nx.__class__\n",
    "-" * 100_000 + "1",
    'x = "\N{LEFT DOUBLE QUOTATION MARK}\n',
)


def warm_up() -> None:
    """
    Execute all that hooks may use, from the compiler to the error messages.
    """
    zones()
    for name in CODECS:
        codecs.lookup(name)
        "warm".encode(name).decode(name)
    libs = {"warm": compile_source(LIB, "lib/warm.py")}
    module = compile_source(HOOK, "warm.py")
    session = Session(libs, attributes=attribute_guards({}), cancel=None, seed=1)
    names: dict[str, Any] = session.run_module(module)
    plain(names["warm"]({"a": 1}))
    for failure in (
        lambda: names["fail"]({"phone": 1}),
        lambda: names["fail"]({"warm": None}),
        lambda: names["nosuch"],
    ):
        _explained(failure, [module, *libs.values()])
    for source in _BROKEN:
        _refused(source)


def _explained(failure: Callable[[], object], modules: list[Any]) -> None:
    try:
        failure()
    except Exception as error:
        str(explain(error, modules))


def _refused(source: str) -> None:
    try:
        compile_source(source, "warm.py")
    except LoadError as error:
        str(error)
