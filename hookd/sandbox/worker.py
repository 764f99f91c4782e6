"""
A worker: the locked process that compiles and runs hooks, one after another, for one site.

It answers the broker's messages (`wire`) on descriptor 3 and has nothing else. A hook's own exceptions, SystemExit
included, end here, in the one place of hookd that catches BaseException; everything worse ends the process, which the
broker sees. Nothing of one run is left for the next: module bodies are executed anew, facades, random numbers and the
decimal context are fresh.
"""

import gc
import os
import resource
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from typing import Any

from hookd.errors import LoadError, Problem, SandboxError
from hookd.hours import Hours, parse_holidays, parse_hours
from hookd.sandbox import acting, jail, language, templates, wire
from hookd.sandbox.acting import Calls
from hookd.sandbox.language import Function, Module, NotPlain, Session
from hookd.sandbox.pure.call import PUBLIC as CALL_PUBLIC
from hookd.sandbox.pure.call import Call
from hookd.sandbox.pure.clock import Clock
from hookd.sandbox.pure.phones import Phones
from hookd.sandbox.pure.settings import Settings
from hookd.sandbox.templates import NO_FRAME, Frame, PageError, Templates

CHANNEL_FD = 3
PRINT_BYTES = 65_536  # of one run

Message = dict[str, Any]

# The document that a hook of each kind gets under this parameter name.
DOCUMENTS: Mapping[str, str] = {"point": "request", "event": "event", "placement": "placement", "job": "job"}
# What hooks may reach of the tools, beside what they may reach of plain values.
ATTRIBUTES = language.attribute_guards(
    {**CALL_PUBLIC, Clock: Clock.PUBLIC, Phones: Phones.PUBLIC, Settings: Settings.PUBLIC, **acting.PUBLIC}
)


class Cancel:
    """What `CANCEL` is in a hook: returned as it is, it cancels the CRM request."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "CANCEL"


CANCEL = Cancel()


@dataclass(frozen=True, slots=True)
class Program:
    """
    A compiled hook: immutable, used for many runs.

    Attributes:
        name: Its name, for `settings` and messages.
        entry: Name of the function to call.
        templates: Those that the pages of a placement are made with; None where a hook makes no pages.
    """

    module: Module
    libs: Mapping[str, Module]
    name: str
    entry: str
    parameters: tuple[str, ...]
    templates: Templates | None = None

    @property
    def modules(self) -> tuple[Module, ...]:
        """The hook's file and the lib files that came with it."""
        return (self.module, *self.libs.values())


@dataclass(frozen=True, slots=True)
class Site:
    """What the worker knows of its site."""

    zone: tzinfo
    phones: Phones
    hours: Hours
    holidays: frozenset[date]


@dataclass(frozen=True, slots=True)
class Run:
    """What the tools of one run are made of."""

    name: str
    document: dict[str, Any]
    settings: dict[str, Any]
    now: datetime | None
    site: Site
    calls: Calls
    frame: Frame = NO_FRAME


# Every pure tool: parameter name → how it is made for a run.
PURE_TOOLS: Mapping[str, Callable[[Run], object]] = {
    "call": lambda run: Call(run.document, run.site.zone, run.name),
    "clock": lambda run: Clock(run.site.zone, run.site.hours, run.site.holidays, run.now),
    "phones": lambda run: run.site.phones,
    "settings": lambda run: Settings(run.settings, run.name),
}
# The tools that act outside: parameter name → how it is made for a run.
ACTING_TOOLS: Mapping[str, Callable[[Run], object]] = {
    name: lambda run, kind=kind: kind(run.calls)  # type: ignore[misc]
    for name, kind in acting.TOOLS.items()
}
TOOLS: Mapping[str, Callable[[Run], object]] = {**PURE_TOOLS, **ACTING_TOOLS}


NUMBERS = ("+7 900 123-45-67", "8 343 273-34-30", "+1 201 555 0123", "+49 30 123456", "+998 90 123 45 67", "123", "")


def warm_up() -> dict[str, str]:
    """
    Load and execute what a hook may use, so that no locked worker needs a file.

    Returns:
        What was executed → what came of it, the same at every call: `probe` compares it with what comes of it in a
        lock.
    """
    results = language.warm_up()
    phones = Phones("RU", "343")
    phones.warm_up()
    for number in NUMBERS:
        results[f"phones {number}"] = repr((phones.e164(number), phones.national(number), phones.digits(number)))
    site = Site(language.zone("Europe/Moscow"), phones, parse_hours({"mon-fri": "09:00-18:00"}), frozenset())
    return results | _warm_up_tools(site) | _warm_up_pages(site) | {"a hook that does little": repr(practise())}


def _warm_up_tools(site: Site) -> dict[str, str]:
    """Run a hook that asks for tools, prints and fails, and return what came of it."""
    source = (
        "def hook(request, call, clock, phones, settings, lists):\n"
        "    print(clock.iso(), clock.is_working(), clock.next_working(), call.missed, call.started_at)\n"
        "    print(lists.contains('vip', 1))\n"
        "    return lists.contains(nam='vip')\n"
    )
    now = datetime(2024, 5, 1, 7, 0, 0, tzinfo=site.zone)
    request = {"call_full": {"channel": {"type": "incoming", "start_time": "2024-05-01 10:00:00"}}}
    printed: list[str] = []
    calls = Calls(lambda message: {"value": False}, language.plain)
    run = Run("hook", request, {}, now, site, calls)
    return {
        "a hook that fails": repr(execute(_program(source), run, printed.append)),
        "a hook that prints": "".join(printed),
    }


# What ordinary hooks are made of: a worker goes through it before its first run.
_ORDINARY = (
    "LIMIT = 11\n"
    "def hook(request):\n"
    "    digits = ''.join(char for char in request['phone'] if char in '0123456789')\n"
    "    if len(digits) == LIMIT and digits[0] == '8':\n"
    "        return {'phone': '+7' + digits[1:], 'name': f'{digits}'.strip()}\n"
    "    found = request.get('name')\n"
    "    for part in [digits, found]:\n"
    "        request['phone'] = part\n"
    "    return {'phone': digits}\n"
)


def practise() -> Message:
    """
    Run a hook that asks for nothing, and return what came of it.

    The first run in a fork writes to many pages that it shares with the zygote, and each has to be copied, for which no
    caller should wait. Tools and errors are left out: the pages of what a site's hooks never use would be this worker's
    own for good, 0.6 MB.
    """
    site = Site(UTC, Phones("", ""), parse_hours({}), frozenset())
    run = Run("hook", {"phone": "+7 900"}, {}, None, site, Calls(lambda message: {}, language.plain))
    return execute(_program(_ORDINARY), run, lambda text: None)


@cache
def _program(source: str) -> Program:
    """A hook to practise with: compiled by the zygote, for all its forks."""
    return compile_program({"kind": "point", "name": "hook", "file": "hook.py", "source": source, "libs": {}})


# What the templates below fail at, and what they show: filters that load modules, an error that is looked for.
_WARM = {
    "warm.html": (
        "{% extends 'base.html' %}{% block body %}{{ form_token }}{% for x in [3, 1]|sort %}{{ loop.index }}{{ x }}"
        "{% endfor %}{{ '<b>'|upper }}{{ {'a': 1}|tojson }}{{ 'a b'|urlencode }}{{ 'https://a.b'|urlize }}"
        "{{ 1.55|round(1) }}{{ 'a<b>c'|striptags }}{{ 'warm up'|truncate(5)|wordwrap(3)|title }}"
        "{{ 12345|filesizeformat }}{{ [{'k': 1}]|groupby('k')|list|length }}{{ {'a': 1}|xmlattr }}"
        "{% endblock %}"
    ),
    "base.html": "{% macro m(a) %}{{ a }}{% endmacro %}<p>{{ m(title) }}{% block body %}{% endblock %}",
    "fails.html": "\n{{ nothing.at.all }}",
}


def _warm_up_pages(site: Site) -> dict[str, str]:
    """Make a page, and fail to: Jinja loads some of itself only then."""
    results = {}
    for name in ("warm.html", "fails.html"):
        source = f"def hook(placement):\n    return {{'template': '{name}', 'context': {{'title': '<i>'}}}}\n"
        message = {"kind": "placement", "name": "hook", "file": "hook.py", "source": source, "libs": {}}
        program = compile_program({**message, "templates": _WARM})
        calls = Calls(lambda message: {}, language.plain)
        run = Run("hook", {}, {}, None, site, calls, Frame("n", "t"))
        results[f"a page of {name}"] = repr(execute(program, run, lambda text: None))
    broken = {"broken.html": "{% if %}"}
    results["a broken template"] = repr(templates.problems(broken, broken))
    return results


def main(fd: int, nothing: int, parent: int, prepared: jail.Lock, layers: Collection[str]) -> None:
    """
    Lock this process, then serve the broker on *fd* until it closes.

    Args:
        fd: The worker's end of its channel.
        nothing: A descriptor of /dev/null: there are no files any more from which to open one.
        parent: The zygote's process id.
        prepared: From `jail.prepare`.
        layers: Those that the probe saw in force.

    Raises:
        SandboxError: One of *layers* could not be put in force; such a worker must not see a hook.
    """
    for standard in (0, 1):
        os.dup2(nothing, standard)
    os.dup2(fd, CHANNEL_FD)
    jail.close_descriptors({0, 1, 2, CHANNEL_FD})
    jail.end_with(parent)
    os.setsid()
    reasons = jail.lock(prepared, layers)
    if any(reasons.values()):
        raise SandboxError(f"a worker could not be locked: {reasons}")
    os.close(2)  # only now: what goes wrong until here is for the operator to read
    wire.write(CHANNEL_FD, {"t": "ready"})
    Worker().serve()


class Worker:
    """
    What a worker keeps between two messages: its site and the programs that it compiled.
    """

    def __init__(self) -> None:
        self._inbox = wire.messages(CHANNEL_FD)
        self._site: Site | None = None
        self._programs: dict[str, Program] = {}

    def serve(self) -> None:
        """
        Answer messages until the broker closes the channel.
        """
        actions: dict[str, Callable[[Message], Message | None]] = {
            "site": self._set_site,
            "check": self._check,
            "load": self._load,
            "run": self._run,
        }
        practise()
        gc.collect()
        for message in self._inbox:
            answer = actions[message["t"]](message)
            if answer is not None:
                wire.write(CHANNEL_FD, answer)

    def _set_site(self, message: Message) -> None:
        # A POSIX rule, not a name: the C library then needs no file for the local time of naive datetimes.
        os.environ["TZ"] = message["posix_zone"]
        time.tzset()
        self._site = Site(
            language.zone(message["zone"]),
            Phones(message["region"], message["area_code"]),
            parse_hours(message["hours"]),
            parse_holidays(message["holidays"]),
        )

    def _check(self, message: Message) -> Message:
        return check(message)

    def _load(self, message: Message) -> None:
        self._programs[message["key"]] = compile_program(message)

    def _run(self, message: Message) -> Message:
        assert self._site is not None  # the broker sends the site first
        program = self._programs[message["key"]]
        now = datetime.fromisoformat(message["now"]) if message["now"] else None
        calls = Calls(self._ask, language.plain)
        frame = Frame(**message["frame"]) if message.get("frame") else NO_FRAME
        run = Run(program.name, message["document"], message["settings"], now, self._site, calls, frame)
        answer = execute(program, run, lambda text: wire.write(CHANNEL_FD, {"t": "print", "text": text}))
        # Before the answer: finalizers of what the run left in cycles are still its own, and within its deadline. All
        # that was there before the fork is frozen, so this costs a few µs.
        gc.collect()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {"t": "done", **answer, "cpu_s": usage.ru_utime + usage.ru_stime, "rss_kb": usage.ru_maxrss}

    def _ask(self, message: Message) -> Message:
        """Send a call; the next message is its answer, since one call is in flight at a time."""
        wire.write(CHANNEL_FD, message)
        answer = next(self._inbox, None)
        if answer is None:
            os._exit(0)  # the broker is gone, and nothing of the run may go on
        return answer


def check(message: Message) -> Message:
    """
    Compile the hook in *message*, execute its module body, and return all that is wrong with it.
    """
    try:
        program = compile_program(message)
    except LoadError as error:
        return _checked(error.problems)
    session = Session(program.libs, attributes=ATTRIBUTES, cancel=CANCEL, write=lambda text: None)
    try:
        session.run_module(program.module)
    except BaseException as error:
        problem = language.explain(error, program.modules)
        remedy = problem.remedy or "This happens while the file is loaded, outside of any function."
        return _checked([Problem(problem.file, problem.line, problem.message, remedy)])
    return _checked((), program)


_RETURNED = ("returned_keys", "returned_values")  # of the function that is called; nobody reads what others return
_CHECKED = ("warnings", "libs", "settings_keys", "tools", "lists", "jobs", "templates", *_RETURNED)


def _checked(problems: tuple[Problem, ...] | list[Problem], program: Program | None = None) -> Message:
    answer: Message = {"t": "checked", "problems": [asdict(problem) for problem in problems]}
    if program is None:
        return answer | {key: [] for key in _CHECKED}
    functions = [function for module in program.modules for function in module.functions.values()]
    own = program.module.functions[program.entry]
    return answer | {
        "warnings": [asdict(warning) for module in program.modules for warning in warnings(module)],
        "libs": sorted(program.libs),
        "settings_keys": [list(key) for function in functions for key in function.settings_keys],
        "tools": [name for name in program.parameters if name in ACTING_TOOLS],
        "lists": [list(name) for function in functions for name in function.list_names],
        "jobs": [list(name) for function in functions for name in function.job_names],
        "templates": list(program.templates.names) if program.templates else [],
        "returned_keys": [list(key) for key in own.returned_keys],
        "returned_values": [list(value) for value in own.returned_values],
    }


def warnings(module: Module) -> list[Problem]:
    """
    Return what is legal in *module* but hardly meant, keys that connectors send no more included.
    """
    legacy = [
        Problem(
            module.file,
            line,
            f'request["{key}"]: connectors from 3.13 on do not send it.',
            f"Ask for the tool call: def {function.name}(request, call). It reads the old and the new form.",
        )
        for function in module.functions.values()
        for key, line in function.legacy_keys
    ]
    return sorted([*module.warnings, *legacy], key=lambda problem: problem.line)


def compile_program(message: Message) -> Program:
    """
    Return the hook in *message*, compiled, with the lib files that it uses.

    Raises:
        LoadError: It does not compile, has no function of its name, or asks for what there is not.
    """
    module = language.compile_source(message["source"], message["file"])
    libs: dict[str, Module] = {}
    _add_libs(module, message["libs"], libs)
    missing = language.lib_problems([module, *libs.values()], libs)
    if missing:
        raise LoadError(missing)
    kind, name = message["kind"], message["name"]
    entry = name if kind == "point" else name.rpartition("/")[2]
    function = module.functions.get(entry)
    if function is None:
        found = ", ".join(module.functions) or "none"
        raise LoadError(
            [
                Problem(
                    message["file"],
                    1,
                    f"there is no function {entry}; functions here: {found}.",
                    f"The hook is the function of the file's name: write `def {entry}({DOCUMENTS[kind]}):`.",
                )
            ]
        )
    problems = parameter_problems(function, message["file"], DOCUMENTS[kind])
    if problems:
        raise LoadError(problems)
    pages = _templates([module, *libs.values()], message.get("templates", {})) if kind == "placement" else None
    return Program(module, libs, name, entry, function.parameters, pages)


def _templates(modules: list[Module], sources: Mapping[str, str]) -> Templates:
    """
    Return the templates that a hook's *modules* name, out of all *sources* of the site.

    Raises:
        LoadError: One is not there, or is none.
    """
    named = [(module.file, text) for module in modules for text in module.templates]
    used = templates.used([name for _, (name, _, _) in named], sources)
    problems = [
        problem
        for file, (name, line, is_page) in named
        if is_page
        for problem in templates.missing([(name, line)], sources, file)
    ]
    problems += templates.problems(used, sources)
    if problems:
        raise LoadError(problems)
    return Templates(used)


def parameter_problems(function: Function, file: str, document: str) -> list[Problem]:
    """
    Return what is wrong with the parameters of *function*: a hook names what it wants, and nothing else.
    """
    known = (document, *TOOLS)
    remedy = f"A hook may ask for: {', '.join(known)}."
    problems = [
        Problem(file, function.line, f"{function.name} asks for {name!r}, which there is not.", remedy)
        for name in function.parameters
        if name not in known
    ]
    problems += [
        Problem(file, function.line, f"{function.name} has {odd}: parameters are plain names here.", remedy)
        for odd in function.odd
    ]
    return problems


def _add_libs(module: Module, sources: Mapping[str, str], libs: dict[str, Module]) -> None:
    for name in module.lib_imports:
        if name in sources and name not in libs:
            libs[name] = language.compile_source(sources[name], f"lib/{name}.py")
            _add_libs(libs[name], sources, libs)


def execute(program: Program, run: Run, write: Callable[[str], None]) -> Message:
    """
    Return what came of *program*: {"ok": Json}, {"cancel": true} or {"error": {…}}; *write* gets what it prints.
    """
    session = Session(program.libs, attributes=ATTRIBUTES, cancel=CANCEL, write=write)
    try:
        return _answer(program, run, session)
    except NotPlain as error:
        return {"error": {"code": "contract", "path": error.path, "message": error.message, "remedy": error.remedy}}
    except PageError as error:
        return {"error": {"code": "contract", "path": error.path, "message": error.message, "remedy": error.remedy}}
    except BaseException as error:
        code = "memory" if isinstance(error, MemoryError) else "error"
        return {"error": {"code": code, **asdict(language.explain(error, program.modules))}}
    finally:
        run.calls.close()
        session.close()  # what the run left behind can neither print nor call anything any more


def _answer(program: Program, run: Run, session: Session) -> Message:
    function: Any = session.run_module(program.module)[program.entry]
    arguments = {name: TOOLS[name](run) for name in program.parameters if name in TOOLS}
    if len(arguments) < len(program.parameters):
        arguments[next(name for name in program.parameters if name not in TOOLS)] = run.document
    result = function(**arguments)
    if result is CANCEL:
        return {"cancel": True}
    value = language.plain(result)
    if program.templates is None or value is None or value == {}:
        return {"ok": value}
    return _page(program.templates, value, run)


def _page(pages: Templates, value: Any, run: Run) -> Message:
    run.calls.close()  # what is left to do calls nothing
    try:
        return {"ok": pages.page(value, run.document, run.frame)}
    except (MemoryError, PageError):
        raise
    except Exception as error:  # the templates' own: the hook has returned
        return {"error": {"code": "error", **asdict(pages.explain(error))}}
