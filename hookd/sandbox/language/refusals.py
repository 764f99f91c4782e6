"""
What hooks may not write, why, and what to write instead: words for people who are not Python experts.

Every table maps a name to two sentences. The first ends the line «file:line: …», the second is the remedy. What stands
in no table is refused too, with a general sentence: these tables explain, they do not decide.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Refusal(NamedTuple):
    """
    Why something is refused, and what to write instead.
    """

    reason: str
    remedy: str


def _same(names: str, reason: str, remedy: str) -> dict[str, Refusal]:
    return dict.fromkeys(names.split(), Refusal(reason, remedy))


_NO_SYSTEM = "hooks have no operating system."
_NO_SYSTEM_REMEDY = "Recordings: records; keys: {secret:NAME} in http; values: settings."
_NO_FILES = "hooks have no files."
_NO_FILES_REMEDY = "Recordings: records; tables: lists; values: settings; what a later run needs: store."
_NO_NETWORK = "hooks reach the network through a tool only."
_NO_NETWORK_REMEDY = "Ask for the tool http as a parameter, and for bitrix where it is Bitrix24."
_NO_THREADS = "hooks run one thing after another, on a deadline."
_NO_THREADS_REMEDY = "Work that takes long belongs into a job: jobs.enqueue."
_NO_DATABASE = "hooks have no database connections."
_NO_DATABASE_REMEDY = "What a later run needs: store; tables that people keep: lists; another system: http."
_NO_INSPECTION = "hooks cannot look into Python itself."
_NO_INSPECTION_REMEDY = "To see a value, print(value): it goes to the log of the run."
_NO_PICKLE = "hooks read and write JSON only."
_NO_PICKLE_REMEDY = "json.dumps(value) and json.loads(text); store keeps plain values as they are."
_NO_MAIL = "hooks send no mail."
_NO_MAIL_REMEDY = "Use http with your mail provider's API, best from a job."

# Top-level names of modules; a dotted name is looked up first.
MODULES: Mapping[str, Refusal] = MappingProxyType(
    {
        **_same("os sys platform posix pwd grp resource sysconfig site", _NO_SYSTEM, _NO_SYSTEM_REMEDY),
        **_same("pathlib io shutil glob tempfile fileinput fnmatch stat zipfile tarfile", _NO_FILES, _NO_FILES_REMEDY),
        **_same(
            "subprocess pty signal", "hooks start no programs.", "Converting recordings: records; the rest: a job."
        ),
        **_same("requests httpx aiohttp urllib3 socket ssl http websocket websockets", _NO_NETWORK, _NO_NETWORK_REMEDY),
        **_same("urllib urllib.request urllib.error ftplib paramiko telnetlib", _NO_NETWORK, _NO_NETWORK_REMEDY),
        **_same("bitrix24 fast_bitrix24 b24pysdk", _NO_NETWORK, "Ask for the tool bitrix as a parameter."),
        **_same("asyncio threading _thread multiprocessing concurrent queue sched", _NO_THREADS, _NO_THREADS_REMEDY),
        **_same("celery schedule apscheduler", _NO_THREADS, _NO_THREADS_REMEDY),
        **_same("sqlite3 dbm shelve sqlalchemy psycopg psycopg2 pymysql MySQLdb", _NO_DATABASE, _NO_DATABASE_REMEDY),
        **_same("redis pymongo pyodbc cx_Oracle asyncpg", _NO_DATABASE, _NO_DATABASE_REMEDY),
        **_same("pickle marshal copyreg dill", _NO_PICKLE, _NO_PICKLE_REMEDY),
        **_same("smtplib email imaplib poplib", _NO_MAIL, _NO_MAIL_REMEDY),
        **_same("inspect gc types ctypes ast dis code builtins importlib imp", _NO_INSPECTION, _NO_INSPECTION_REMEDY),
        **_same(
            "traceback warnings pdb faulthandler weakref atexit tracemalloc", _NO_INSPECTION, _NO_INSPECTION_REMEDY
        ),
        **_same("logging loguru structlog", "the log of a run is what it prints.", "Write print(…)."),
        **_same("pprint", "the log of a run is what it prints.", "Write print(json.dumps(value, indent=2))."),
        **_same(
            "typing typing_extensions collections.abc",
            "annotations need no import here.",
            "Delete this line: annotations are not executed, list[str], dict[str, int] and str | None are fine.",
        ),
        **_same(
            "dataclasses pydantic attr attrs",
            "there are no data classes.",
            "Use a dict, or a class with def __init__(self, …).",
        ),
        **_same("enum", "there are no enumerations.", 'Use constants (MISSED = "304") or a dict.'),
        **_same(
            "functools",
            "it is not offered.",
            "Write a loop instead of reduce, a lambda instead of partial, a dict instead of lru_cache.",
        ),
        **_same("operator", "it is not offered.", 'Write a lambda: key=lambda item: item["name"].'),
        **_same("string", "it is not offered.", 'Write the characters out: "0123456789", and f"{name}" for templates.'),
        **_same(
            "copy",
            "it is not offered.",
            "dict(value) and list(value) copy; json.loads(json.dumps(value)) copies deeply.",
        ),
        **_same("contextlib abc", "it is not offered.", "Write a class with def __enter__ and def __exit__."),
        **_same("csv", "it is not offered.", 'Tables that people keep: lists; a line of text: line.split(";").'),
        **_same("heapq bisect", "it is not offered.", "Use sorted(values), min(values), max(values)."),
        **_same(
            "secrets",
            "it is not offered.",
            "A random name: uuid.uuid4().hex; keys and passwords: {secret:NAME} in http.",
        ),
        **_same("fractions numbers cmath", "it is not offered.", "Use decimal.Decimal or float."),
        **_same(
            "codecs binascii struct array", "it is not offered.", "text.encode(), data.decode(), data.hex() and base64."
        ),
        **_same("locale gettext", "it is not offered.", 'Write the words into a dict; numbers: f"{value:,.2f}".'),
        **_same(
            "pytz tzlocal",
            "it is not offered.",
            'zoneinfo.ZoneInfo("Europe/Moscow"); the site\'s own time: clock.now().',
        ),
        **_same(
            "dateutil arrow pendulum",
            "it is not offered.",
            "datetime.fromisoformat(text), timedelta; now: clock.now().",
        ),
        **_same(
            "phonenumbers", "it is not offered.", "Ask for the tool phones: phones.e164(number), phones.same(a, b)."
        ),
        **_same("numpy pandas", "it is not offered.", "Use lists, sum, statistics.mean and statistics.median."),
        **_same(
            "xml lxml bs4 yaml toml tomllib configparser",
            "it is not offered.",
            "Use json, re and html; values: settings.",
        ),
        **_same("jinja2 mako", "it is not offered.", 'Write f"…{value}…"; pages of placements have templates.'),
        **_same(
            "argparse getopt click",
            "a hook is not started from a command line.",
            "Values come in as request and settings.",
        ),
        **_same(
            "flask django fastapi",
            "hookd is the web server already.",
            "Write only the function, and return what changes.",
        ),
        **_same("pytest unittest doctest", "tests of hooks are files.", "Write hooks/tests/<name>/<case>.json."),
        **_same("hookd", "tools come in as parameters.", "Write def process_client_phone(request, phones, settings)."),
    }
)

# Members of offered modules that people reach for.
MEMBERS: Mapping[str, Refusal] = MappingProxyType(
    {
        "time.sleep": Refusal("hooks cannot sleep: a caller is waiting.", "Work for later: jobs.enqueue with a delay."),
        **dict.fromkeys(
            ("time.strftime", "time.localtime", "time.gmtime", "time.ctime", "time.mktime", "time.timezone"),
            Refusal("tests cannot freeze it.", 'Write clock.now().strftime("%d.%m.%Y %H:%M").'),
        ),
        "time.strptime": Refusal("it is not offered.", "datetime.strptime(text, format) reads a date."),
        **dict.fromkeys(
            ("decimal.getcontext", "decimal.setcontext", "decimal.Context"),
            Refusal("the context is not offered.", "with decimal.localcontext(prec=6): …"),
        ),
        **dict.fromkeys(
            ("json.load", "json.dump"),
            Refusal("hooks have no files.", "json.loads(text) reads text, json.dumps(value) writes it."),
        ),
        **dict.fromkeys(
            ("json.JSONEncoder", "json.JSONDecoder"),
            Refusal("it is not offered.", "Make plain values first: str(value), value.isoformat(), list(value)."),
        ),
        **dict.fromkeys(
            ("random.Random", "random.SystemRandom"),
            Refusal("each run has random numbers of its own.", "random.seed(value) makes them repeat within a run."),
        ),
        "uuid.uuid1": Refusal("it tells the machine's address.", "Write uuid.uuid4()."),
        "uuid.getnode": Refusal("it tells the machine's address.", "Write uuid.uuid4()."),
        "collections.namedtuple": Refusal("it is not offered.", "Use a dict, or a class with def __init__(self, …)."),
        "collections.ChainMap": Refusal("it is not offered.", "{**defaults, **values} lays one dict over another."),
        "datetime.tzinfo": Refusal("hooks make no time zones of their own.", 'zoneinfo.ZoneInfo("Europe/Moscow").'),
        "itertools.tee": Refusal(
            "it is not offered.", "values = list(iterator), then use values as often as you like."
        ),
        "calendar.setfirstweekday": Refusal("it would change other runs.", "Weeks start on Monday here."),
        "re.purge": Refusal("it would change other runs.", "Leave it out."),
        "re.template": Refusal("it is not offered.", "Write re.compile(pattern)."),
    }
)

# Builtins that are not there, and names that look like some.
NAMES: Mapping[str, Refusal] = MappingProxyType(
    {
        **_same(
            "eval exec compile execfile",
            "text cannot be run as code.",
            "json.loads(text) reads data; code that several hooks need goes into hooks/lib.",
        ),
        "open": Refusal(_NO_FILES, _NO_FILES_REMEDY),
        **_same("input raw_input", "nobody is there to type.", "Values come in as request and settings."),
        **_same("globals locals vars", "variables are reached by their names.", "Keep values in a dict of your own."),
        **_same(
            "dir help",
            "objects do not list their names here.",
            "For a dict: list(value). For a tool: its page in docs.",
        ),
        "id": Refusal("objects have no address here.", "Compare with `is`, or use a key of the data."),
        "setattr": Refusal("attributes are set by name.", "Write value.name = …, or keep a dict: values[name] = …"),
        "delattr": Refusal(
            "attributes are deleted by name.", "Write del value.name, or keep a dict: del values[name]."
        ),
        "breakpoint": Refusal("nobody is there to debug.", "print(value) goes to the log of the run."),
        **_same("exit quit", "a hook ends with its function.", "Write return."),
        **_same(
            "BaseException SystemExit KeyboardInterrupt GeneratorExit",
            "it is not a hook's to catch or raise.",
            "Use Exception, or an ordinary one such as ValueError.",
        ),
        **_same("BaseExceptionGroup ExceptionGroup", "groups of exceptions are not offered.", "Raise one exception."),
        **_same("bytearray memoryview", "it is not offered.", 'Use bytes: b"".join(parts), data[1:].'),
        "complex": Refusal("it is not offered.", "Use float."),
        **_same("unicode basestring", "that was Python 2.", "Write str."),
        **_same("long", "that was Python 2.", "Write int."),
        **_same("xrange", "that was Python 2.", "Write range."),
        **_same("aiter anext", "hooks run one thing after another.", "Write iter and next."),
        **_same("null nil", "Python has another word for it.", "Write None."),
        **_same("true", "Python writes it with a capital letter.", "Write True."),
        **_same("false", "Python writes it with a capital letter.", "Write False."),
        "__import__": Refusal("modules are loaded by import.", "Write import json at the top of the file."),
        "__name__": Refusal("a hook is called by hookd, never started.", "Delete this block."),
        **_same("__file__ __path__ __spec__ __loader__", _NO_FILES, _NO_FILES_REMEDY),
    }
)

ATTRIBUTES: Mapping[str, Refusal] = MappingProxyType(
    {
        "__class__": Refusal("it belongs to Python itself.", "Write type(value), or isinstance(value, str)."),
        "__dict__": Refusal("it belongs to Python itself.", "Keep a dict of your own in the object."),
        "__doc__": Refusal("it belongs to Python itself.", "Keep the text in a constant."),
        "__init__": Refusal("the class below is called in another way.", "Write super().__init__(…)."),
        "__traceback__": Refusal("it belongs to Python itself.", "print(error) shows what went wrong."),
        "__cause__": Refusal("it belongs to Python itself.", "Put what you need into the text of the exception."),
        "__context__": Refusal("it belongs to Python itself.", "Put what you need into the text of the exception."),
        "__name__": Refusal("it can be read only.", "Leave it as it is."),
    }
)

FORMAT = Refusal("text has no .format() here.", 'Write an f-string: f"Hello {name}, {price:.2f}".')
INSPECTION = Refusal(_NO_INSPECTION, _NO_INSPECTION_REMEDY)
RESERVED_NAME = Refusal("it belongs to Python itself.", "Leave it out.")
RESERVED_ATTRIBUTE = Refusal("names with two underscores belong to Python itself.", "Use a name with one underscore.")

# Node types of Python's grammar.
SYNTAX: Mapping[str, Refusal] = MappingProxyType(
    {
        **_same(
            "AsyncFunctionDef AsyncFor AsyncWith Await", "there is no async here.", "Write it without async and await."
        ),
        "TryStar": Refusal("groups of exceptions are not offered.", "Write except."),
        "MatchClass": Refusal(
            "case does not look at classes here.", "Write if isinstance(value, str): … or match on keys and values."
        ),
        **_same(
            "TypeAlias TypeVar TypeVarTuple ParamSpec",
            "type parameters are not offered.",
            "Leave them out: annotations are not executed.",
        ),
        **_same("TemplateStr Interpolation", "template strings are not offered.", 'Write f"…".'),
    }
)
