"""
The language of hooks: ordinary Python runs, what is refused is explained, and runs leave nothing behind.
"""

import gc
import importlib.abc
import importlib.util
import json
import subprocess
import sys
import zoneinfo
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from importlib.machinery import ModuleSpec
from ipaddress import ip_interface
from types import CodeType, FrameType, MappingProxyType, ModuleType, TracebackType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookd.errors import LoadError, Problem
from hookd.sandbox.language import Function, Module, Session, attribute_guards, compile_source, lib_problems, plain
from hookd.sandbox.language.attributes import ATTRIBUTES, CLASS_ATTRIBUTES
from hookd.sandbox.language.bytecode import faults
from hookd.sandbox.language.classes import METHODS
from hookd.sandbox.language.facades import zone, zone_files
from hookd.sandbox.language.modules import OFFERED, PER_RUN, SHARED
from hookd.sandbox.language.namespace import Namespace
from hookd.sandbox.language.warmup import HOOK
from tests import corpus

Json = Any

ORDINARY = list(corpus.ordinary())
REFUSED = list(corpus.refused())


def compiled(source: str, file: str = corpus.FILE) -> Module:
    return compile_source(source, file)


def libs() -> dict[str, Module]:
    return {name: compile_source(source, f"lib/{name}.py") for name, source in corpus.libs().items()}


def session(**options: Any) -> Session:
    return Session(libs(), **{"attributes": attribute_guards({}), "cancel": None, **options})


def called(source: str, *arguments: Any, **options: Any) -> Any:
    """The result of the function `hook` in *source*, in a run of its own."""
    names: dict[str, Any] = session(**options).run_module(compiled(source))
    return names["hook"](*arguments)


def refused(source: str, file: str = corpus.FILE) -> list[Problem]:
    with pytest.raises(LoadError) as raised:
        compile_source(source, file)
    return list(raised.value.problems)


def is_module_or_load_error(source: str) -> bool:
    try:
        return isinstance(compiled(source), Module)
    except LoadError as error:
        return len(error.problems) > 0


# What integrators write.


@pytest.mark.parametrize(("source", "expected"), [row[1:] for row in ORDINARY], ids=[row[0] for row in ORDINARY])
def test_ordinary_python_runs(source: str, expected: Json) -> None:
    """
    What integrators write works, with the result that they expect.
    """
    names: dict[str, Any] = session().run_module(compiled(source))

    assert plain(names[corpus.FUNCTION](corpus.request())) == expected


@pytest.mark.parametrize(("source", "expected"), [row[1:] for row in ORDINARY], ids=[row[0] for row in ORDINARY])
def test_hooks_mean_what_they_mean_in_python(
    source: str, expected: Json, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The same file gives the same result in plain Python: nothing that a hook may write means something else here.
    """
    monkeypatch.setattr(sys, "meta_path", [_LibFinder(), *sys.meta_path])
    names: dict[str, Any] = {"__name__": "hook"}

    try:
        exec(compile(source, corpus.FILE, "exec", dont_inherit=True), names)
        result = names[corpus.FUNCTION](corpus.request())
    finally:
        for name in [name for name in sys.modules if name == "lib" or name.startswith("lib.")]:
            del sys.modules[name]

    assert json.loads(json.dumps(result)) == expected


class _LibFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives plain Python the lib files of the corpus."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name == "lib" or name.removeprefix("lib.") in corpus.libs():
            return importlib.util.spec_from_loader(name, self, is_package=name == "lib")
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = corpus.libs().get(module.__name__.removeprefix("lib."), "")
        exec(compile(source, module.__name__, "exec", dont_inherit=True), module.__dict__)


@pytest.mark.parametrize(("source", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused_is_explained(source: str, expected: list[corpus.Problem]) -> None:
    """
    Whoever writes what hooks may not is told where, what and what to write instead: all problems at once, by line.
    """
    found = refused(source)

    assert expected
    assert len(found) == len(expected)
    for problem, (line, message, remedy) in zip(found, expected, strict=True):
        assert (problem.file, problem.line) == (corpus.FILE, line)
        assert message in problem.message
        assert remedy in problem.remedy
        assert problem.remedy


def test_the_corpora_are_large() -> None:
    """
    The corpora stay a fair sample of what people write.
    """
    assert len(ORDINARY) >= 170
    assert len(REFUSED) >= 60


# Sources that are none.

PATHOLOGICAL = {
    "minus signs": "x = " + "-" * 100_000 + "1",
    "attributes": "x = a" + ".a" * 20_000,
    "terms": "x = " + " + ".join(["1"] * 20_000),
    "digits": "x = " + "1" * 5000,
    "brackets": "x = " + "[" * 3000,
    "calls": "x = f" + "()" * 20_000,
    "lambdas": "x = " + "lambda: " * 5000 + "1",
    "conditions": "x = " + "1 if a else " * 4000 + "1",
    "branches": "if a: pass\n" + "elif a: pass\n" * 3000,
    "indents": "".join(" " * n + "if 1:\n" for n in range(150)) + " " * 150 + "pass",
    "NUL": "x = 1\0",
    "surrogate": "x = '\ud800'",
    "byte order mark": "\ufeffx = 1",
    "imports": "\n".join(f"import os{n}" for n in range(6000)),
    "dunders": "a.__x__\n" * 7000,
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_text_breaks_the_compiler(name: str) -> None:
    """
    A text that is no hook is a load error with at most 100 problems, never another exception.
    """
    found = refused(PATHOLOGICAL[name])

    assert 1 <= len(found) <= 100


@pytest.mark.parametrize(
    "source",
    [
        "x = " + " + ".join(["1"] * 400),
        "if a: pass\n" + "".join(f"elif a == {n}: pass\n" for n in range(400)),
        "x = " + "[" * 100 + "]" * 100,
        "x = {" + ", ".join(f"{n}: {n}" for n in range(5000)) + "}",
        "",
        "# nothing yet",
    ],
    ids=["400 terms", "400 branches", "100 brackets", "5000 items", "empty", "comment"],
)
def test_long_is_not_too_long(source: str) -> None:
    """
    Long tables, chains and empty files are ordinary.
    """
    assert compiled(source).file == corpus.FILE


@given(st.text(max_size=200))
def test_any_text_is_a_module_or_a_load_error(text: str) -> None:
    """
    Whatever the text, the compiler answers with a module or with problems.
    """
    assert is_module_or_load_error(text)


@given(st.sampled_from(ORDINARY), st.data())
def test_any_edit_is_a_module_or_a_load_error(row: tuple[str, str, Json], data: st.DataObject) -> None:
    """
    Half-finished edits of real hooks are modules or load errors too.
    """
    source = row[1]
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, len(source)))
    inserted = data.draw(
        st.sampled_from(["", "(", ":", "\n", "    ", "import os\n", ".__class__", "_getattr_", "async "])
    )

    assert is_module_or_load_error(source[:start] + inserted + source[end:])


# What is known of a file.


def test_tells_what_a_function_asks_for() -> None:
    """
    The checker learns parameters, odd ones, changed ones, and the keys of settings and of the old request.
    """
    source = """
def hook(request, settings, /, call, b=1, *rest, c, d=None, **more):
    owner = settings["owner"]
    request["A"] = settings["title"]
    del call["x"]
    request["call"]["number"]
    request.get("conversation")
    def inner():
        return settings["inner"]

def other(*, a):
    return a
"""

    functions = compiled(source).functions

    assert functions == {
        "hook": Function(
            name="hook",
            line=2,
            parameters=("call",),
            odd=("/", "b=1", "*rest", "c", "d=None", "**more"),
            mutates=frozenset({"request", "call"}),
            has_return=False,
            settings_keys=(("owner", 3), ("title", 4), ("inner", 9)),
            legacy_keys=(("call", 6), ("conversation", 7)),
        ),
        "other": Function("other", 11, (), ("*", "a"), frozenset(), True, (), ()),
    }


def test_what_is_no_text_is_not_told() -> None:
    """
    A key with half a character, which nothing but a hook can have, ends no worker that has to tell of it.
    """
    source = (
        "def hook(settings, lists, jobs):\n"
        '    settings["\\ud800"], settings["whole"]\n'
        '    lists.contains("\\udfff", 1)\n'
        '    jobs.enqueue("\\ud800")\n'
        '    return {"\\udabc": 1}\n'
    )

    found = compiled(source).functions["hook"]

    assert (found.settings_keys, found.list_names, found.job_names, found.returned_keys) == (
        (("whole", 2),),
        (),
        (),
        (),
    )


def test_tells_what_a_function_returns_as_written() -> None:
    """
    Literal keys and literals that a function itself returns are told, but for keys that it reads from the request.
    """
    source = """\
def hook(request, other):
    def inner():
        return {"inner": 1}
    if other:
        return {**request, "a": 1, other: 2, 5: 3, "read": request["read"], "got": request.get("got")}
    if inner():
        return {"b": {"below": 1}} if other else "603"
    if request:
        return other or ["x", -1]
    if request["y"]:
        return None
    return {}, other
    return [["x"]], b"1", {1}, 10**30, -other, f"{other}"
    return 2 ** 70
    return 1180591620717411303424
    return "\\ud800" or {"\\ud800": 1}
    return b"1"
    return {1}
"""

    found = compiled(source).functions["hook"]

    assert found.returned_keys == (("a", 5), ("b", 7))
    assert found.returned_values == (("603", 7), (["x", -1], 9))


@pytest.mark.parametrize(
    ("source", "line", "message", "remedy"),
    [
        (
            "def process_client_phone(request):\n    request['phone'] = '1'\n",
            1,
            "process_client_phone changes request, but returns nothing: the change is lost.",
            "return request",
        ),
        (
            "from datetime import datetime\n\n\nNOW = datetime.now()\n",
            4,
            "datetime.now() is not the site's",
            "clock.now()",
        ),
        ("from datetime import date as d\nTODAY = d.today()\n", 2, "date.today() is not the site's", "clock.now()"),
        ("import datetime as dt\nNOW = dt.datetime.utcnow()\n", 2, "datetime.utcnow() is not", "clock.now()"),
        ("number = 1\nx = nubmer\n", 2, "nubmer is defined nowhere in this file.", "Did you mean number?"),
        ("text = 'a'\nx = text.format(1)\n", 2, ".format(): text has no .format() here.", "f-string"),
        ("x = 1\nif x is 1:\n    pass\n", 2, 'Python warns: "is" with a literal', "Look at this line"),
    ],
)
def test_warns_of_what_is_hardly_meant(source: str, line: int, message: str, remedy: str) -> None:
    """
    What is legal, but hardly meant, compiles with a warning that says what to write.
    """
    (warning,) = compiled(source).warnings

    assert (warning.file, warning.line) == (corpus.FILE, line)
    assert message in warning.message
    assert remedy in warning.remedy


@pytest.mark.parametrize(
    "source",
    [
        "def process_client_phone(request):\n    request['phone'] = '1'\n    return request\n",
        "def helper(request):\n    request['phone'] = '1'\n",
        "def f(x: Optional[str]) -> Any:\n    y: List[int] = []\n    return y\n",
        "import re\nX = re.compile('\\d')\n",
        "class T:\n    def format(self):\n        return 1\nt = T()\nx = t.format()\n",
        "x = CANCEL\n",
    ],
)
def test_does_not_warn_of_the_usual(source: str) -> None:
    """
    Helpers that change what they get, names in annotations and sloppy escapes are nobody's business.
    """
    assert compiled(source).warnings == ()


def test_finds_imports_from_lib_that_would_fail() -> None:
    """
    A lib file or name that there is not is found while files are checked, with the nearest one.
    """
    module = compiled("from lib.numbers import tial, tail\nimport lib.nubmers\nfrom lib import teams\n")

    assert module.lib_imports == ("numbers", "nubmers", "teams")
    assert lib_problems([module, *libs().values()], libs()) == [
        Problem(
            corpus.FILE,
            1,
            "from lib.numbers import tial: there is no tial.",
            "Did you mean tail? lib.numbers offers: INTERNAL_MAX, is_internal, tail.",
        ),
        Problem(
            corpus.FILE,
            2,
            "import lib.nubmers: there is no file lib/nubmers.py.",
            "Did you mean numbers? There are: lib.broken, lib.circle_a, lib.circle_b, lib.counter, lib.numbers, "
            "lib.teams.",
        ),
    ]


# Runs.


def test_each_run_starts_afresh() -> None:
    """
    Lists, classes and lib files of one run are not seen in the next one.
    """
    module = compiled(
        "from lib.counter import step\nseen = []\nclass Box:\n    n = 0\n"
        "def hook():\n    seen.append(1)\n    Box.n += 1\n    return [len(seen), Box.n, step()]\n"
    )

    results = []
    for _ in range(3):
        names: dict[str, Any] = session().run_module(module)
        results.append(names["hook"]())

    assert results == [[1, 1, 1]] * 3


def test_random_numbers_are_a_runs_own() -> None:
    """
    Runs draw different numbers unless they are seeded, and a seed within one run is not felt in another.
    """
    source = "import random\ndef hook():\n    random.seed(1) if False else None\n    return random.random()\n"
    seeding = "import random\ndef hook():\n    random.seed(5)\n    return random.random()\n"

    free = {called(source) for _ in range(5)} | {called(seeding), called(source)}
    seeded = {called(source, seed=7) for _ in range(3)}

    assert len(free) == 7
    assert len(seeded) == 1


def test_the_decimal_context_is_a_runs_own() -> None:
    """
    A precision that a run leaves behind, even in an abandoned generator, is not the next run's.
    """
    spoil = (
        "import decimal\ndef change():\n    with decimal.localcontext() as context:\n        context.prec = 3\n"
        "        yield context.prec\nleft = change()\ndef hook():\n    return next(left)\n"
    )
    third = "from decimal import Decimal\ndef hook():\n    return str(Decimal(1) / 3)\n"

    assert called(spoil) == 3
    assert called(third) == "0." + "3" * 28


def test_prints_are_kept_capped_and_escaped() -> None:
    """
    The log of a run is what it prints: at most the limit, nothing in it acts on a terminal.
    """
    source = """
def hook():
    print('a', 1, sep='-')
    print('\\x1b[2J\\r\\u202e\\ud800ж')
    print('x' * 100)
    print('y')
"""
    written: list[str] = []
    run = session(print_limit_bytes=60, write=written.append)
    names: dict[str, Any] = run.run_module(compiled(source))

    names["hook"]()

    kept = "a-1\n\\x1b[2J\\x0d\\u202e\\ud800ж\n"
    assert run.printed.startswith(kept + "x")
    assert run.printed.endswith("x\n… (cut: this run printed more than 60 bytes)\n")
    assert run.printed.count("x" * 10) >= 2
    assert len(run.printed.partition("\n… ")[0].encode()) == 60
    assert "".join(written) == run.printed


def test_a_closed_run_prints_and_knows_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Code that a run leaves behind in a cycle is finalized later without a log, and without the names it knew.
    """
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    source = (
        "def leave():\n    try:\n        yield\n    finally:\n        print('late')\n"
        "kept = []\ndef hook():\n    left = leave()\n    next(left)\n    kept.extend([left, kept])\n"
    )
    written: list[str] = []
    run = session(write=written.append)
    names: dict[str, Any] = run.run_module(compiled(source))
    names["hook"]()

    run.close()
    del names
    gc.collect()

    assert written == []
    assert run.printed == ""
    assert [type(each.exc_value) for each in ignored] == [NameError]


def test_lib_files_that_import_each_other_are_told() -> None:
    """
    A circle of imports is an error that names the circle.
    """
    with pytest.raises(ImportError) as raised:
        called("def hook():\n    import lib.circle_a\n")

    assert str(raised.value) == (
        "import lib.circle_a: the lib files import each other: lib.circle_a imports lib.circle_b imports lib.circle_a."
    )


def test_a_lib_file_that_is_not_there_is_told() -> None:
    """
    A lib file or a name in one that is not there is an error that lists those that are.
    """
    with pytest.raises(ImportError, match=r"import lib\.nosuch: there is no file lib/nosuch\.py\."):
        called("def hook():\n    import lib.nosuch\n")
    with pytest.raises(ImportError, match=r"from lib\.numbers import nosuch: there is no nosuch\."):
        called("def hook():\n    from lib.numbers import nosuch\n")


class Tool:
    """A tool with one public attribute."""

    shown = "shown"
    hidden = "hidden"

    def __init__(self) -> None:
        self.values = [1]


def test_tools_show_what_is_public() -> None:
    """
    Of a tool a hook reaches exactly the attributes that are listed for its class, and sets none.
    """
    public: dict[type, frozenset[str]] = {Tool: frozenset({"shown"})}
    reads = "def hook(tool):\n    return [tool.shown] + [hasattr(tool, n) for n in ('hidden', 'values', '__init__')]\n"

    assert called(reads, Tool(), attributes=attribute_guards(public)) == ["shown", False, False, False]
    with pytest.raises(AttributeError, match=r"a Tool has no attribute hidden\."):
        called("def hook(tool):\n    return tool.hidden\n", Tool(), attributes=attribute_guards(public))
    with pytest.raises(TypeError, match="a Tool does not let its attribute shown be changed"):
        called("def hook(tool):\n    tool.shown = 1\n", Tool(), attributes=attribute_guards(public))


@pytest.mark.parametrize(
    ("base", "name"),
    [("datetime.timezone", "timezone"), ("list[int]", "list"), ("json.JSONDecodeError", "JSONDecodeError")],
)
def test_classes_build_on_nothing_of_the_host(base: str, name: str) -> None:
    """
    A class that would pass for one of the host's is refused when it is made, with what to do instead.
    """
    with pytest.raises(TypeError, match=rf"^class Own cannot build on {name}\.$"):
        called(f"import datetime, json\nclass Own({base}):\n    pass\n")


def test_cancel_is_the_object_passed_in() -> None:
    """
    CANCEL is what the runner recognizes, and a name like any other.
    """
    cancel = object()

    assert called("def hook():\n    return CANCEL\n", cancel=cancel) is cancel
    assert called("def hook(CANCEL):\n    return CANCEL\n", 5, cancel=cancel) == 5


# The guard rail.


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import os", "<module> has IMPORT_NAME"),
        ("x.y", "<module> has LOAD_ATTR"),
        ("def f(_getattr_, /):\n    pass", "f has a variable _getattr_"),
        ("def f():\n    global _write_\n    _write_ = 1", "f binds _write_"),
        ("_key_ = 1", "<module> binds _key_"),
        ("match x:\n    case int():\n        pass", "<module> has MATCH_CLASS"),
        ("x = __builtins__", "<module> uses __builtins__"),
        ("class A:\n    __slots__ = ()", "A uses __slots__"),
    ],
)
def test_the_second_look_finds_what_slipped_through(source: str, fault: str) -> None:
    """
    Were the transformer to overlook a construct, the compiled code would still tell.
    """
    assert fault in faults(compile(source, "x.py", "exec"))


def test_only_listed_methods_can_be_defined() -> None:
    """
    Of the methods with two underscores, classes define those on the list and no other that Python knows.
    """
    known = {name for kind in (object, int, str, dict, type, property) for name in dir(kind) if name.startswith("__")}
    known |= METHODS | {"__del__", "__getattr__", "__slots__", "__set_name__", "__missing__", "__enter__", "__await__"}

    for name in sorted(known):
        source = f"class A:\n    def {name}(self, *args):\n        return 1\n"
        if name in METHODS:
            assert compiled(source).functions == {}
        else:
            assert refused(source)[0].line == 2


def test_the_attribute_list_names_what_there_is() -> None:
    """
    Every attribute on the list exists, and none of them is Python's own.
    """
    later = {"is_integer"}  # of int, from Python 3.12 on
    interfaces = [ip_interface("192.0.2.1/24"), ip_interface("::1/64")]
    samples: dict[type, object] = {type(each): each for each in interfaces}
    samples |= {type(each.network): each.network for each in interfaces}
    for kind, names in {**ATTRIBUTES, **CLASS_ATTRIBUTES}.items():
        assert not [name for name in names if name.startswith("_")]
        if not issubclass(kind, BaseException):
            assert [name for name in names - later if not hasattr(samples.get(kind, kind), name)] == []


def test_no_allowed_attribute_leads_into_the_host() -> None:
    """
    Whoever goes through all that modules offer, and all that attributes allow, meets no module, frame, code or proxy,
    and nothing that runs share and one could change.
    """
    inside = (ModuleType, CodeType, FrameType, TracebackType, MappingProxyType)
    mutable = (list, dict, set, bytearray, deque)
    spaces = [*SHARED.values(), *(Namespace(name, make(1)) for name, make in PER_RUN.items())]

    for path, value in _reachable(spaces):
        assert not isinstance(value, (*inside, *mutable)), path


def _reachable(spaces: list[Namespace]) -> Iterator[tuple[str, object]]:
    seen: dict[int, object] = {}
    waiting: list[tuple[str, object]] = [(space.name, space) for space in spaces]
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        yield path, value
        if isinstance(value, Namespace):
            waiting.extend((f"{path}.{name}", value.members[name]) for name in value.members)
            continue
        names = CLASS_ATTRIBUTES.get(value, frozenset()) if isinstance(value, type) else ATTRIBUTES.get(type(value), ())
        waiting.extend((f"{path}.{name}", getattr(value, name)) for name in names if hasattr(value, name))


# Locked processes.


def test_the_warm_up_names_every_function() -> None:
    """
    What modules offer is executed in the warm-up: a name that is added there has to be added here.
    """
    missing = [
        f"{module}.{name}" for module, names in OFFERED.items() for name in names if f"{module}.{name}" not in HOOK
    ]

    assert missing == []


def test_every_zone_is_as_python_has_it() -> None:
    """
    The zones of hooks are those that Python finds by itself, by name and by the time that they show.
    """
    moments = [datetime(year, month, 1) for year in (1901, 1985, 2024, 2050) for month in (1, 7)]

    assert set(zone_files()) == zoneinfo.available_timezones()
    for name in zone_files():
        found, expected = zone(name), zoneinfo.ZoneInfo(name)
        assert (str(found), repr(found)) == (str(expected), repr(expected))
        assert [found.utcoffset(each) for each in moments] == [expected.utcoffset(each) for each in moments], name
        assert zone(name) is found


WATCHED = """
import gc, sys
from tests import corpus
from hookd.errors import LoadError
from hookd.sandbox.language import Session, attribute_guards, compile_source, explain, plain, warm_up

ordinary, refused = list(corpus.ordinary()), list(corpus.refused())
sources = corpus.libs()
warm_up()
opened = []
is_open = True
sys.addaudithook(lambda event, details: opened.append(details[0]) if event in ("open", "import") and is_open else None)
libs = {name: compile_source(source, f"lib/{name}.py") for name, source in sources.items()}
for name, source, expected in ordinary:
    module = compile_source(source, corpus.FILE)
    session = Session(libs, attributes=attribute_guards({}), cancel=None)
    assert plain(session.run_module(module)[corpus.FUNCTION](corpus.request())) == expected, name
    session.close()
for name, source, expected in refused:
    try:
        compile_source(source, corpus.FILE)
    except LoadError as error:
        str(error)
failing = ["x = {}['a']", "x = nosuch", "x = None['a']", "import lib.broken", "def f():\\n    f()\\nf()", "1 / 0"]
for source in failing:
    module = compile_source(source, corpus.FILE)
    try:
        Session(libs, attributes=attribute_guards({}), cancel=None).run_module(module)
    except BaseException as error:
        str(explain(error, [module, *libs.values()]))
gc.collect()
is_open = False
# For the text of some syntax errors Python itself looks for the file by name, and does without where it may not.
print(sorted(set(map(str, opened)) - {corpus.FILE}))
"""


def test_a_warm_process_needs_no_file() -> None:
    """
    After the warm-up everything that hooks do, and every error, works without opening a file or importing a module.
    """
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")
