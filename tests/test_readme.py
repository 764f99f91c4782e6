"""
The README and docs/: what they show is done here as it stands, and what they list is held against the code.

Tables that are made from the code are written anew by `python -m tests.test_readme`.
"""

import argparse
import ast
import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import events as benchmarks_of_events
from benchmarks.peers import PEERS
from hookd import cases, cli, samples, settings
from hookd.cli.points import markdown
from hookd.contract.changes import MAX_SET_KEYS, MAX_SET_VALUES
from hookd.documents import Json
from hookd.errors import LoadError, SenderError
from hookd.hours import Hours
from hookd.points import DEFAULT_TIMEOUT_S, POINTS, RECORD_TIMEOUT_S
from hookd.review import review
from hookd.sandbox import jail, worker
from hookd.sandbox.acting import Calls
from hookd.sandbox.language import OFFERED, compile_source, refusals, zone
from hookd.sandbox.language.classes import EXCEPTIONS, METHODS
from hookd.sandbox.language.modules import IMPORTABLE
from hookd.sandbox.language.plain import DEPTH_MAX, INTEGER_LIMIT, NODES_MAX, TEXT_BYTES_MAX
from hookd.sandbox.language.refusals import Refusal
from hookd.sandbox.language.session import BUILTIN_NAMES
from hookd.sandbox.pure.phones import Phones
from hookd.service import CHECK_S, Service
from hookd.setting_readers import MAX_TIMEOUT_S, MIN_TOKEN_CHARACTERS
from hookd.settings import POINT_SETTINGS, SETTINGS, SITE_SETTINGS, Setting
from hookd.sites import Site, check_points
from hookd.sources import MAX_SOURCE_BYTES
from hookd.web import connector, protocol
from tests.conftest import Server, start

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
LANGUAGE, CASES, SPEED = (ROOT / "docs" / f"{name}.md" for name in ("language", "cases", "speed"))

SHOWN_ADDRESS = "127.0.0.1:8080"
COMMAND_S = 120.0
PROSE_CHARACTERS = 132  # of a line; rows of tables, and what programs say, are as long as they are

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


# ---- reading a page --------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block: its language, its text, and the last line of prose between it and the block before."""

    language: str
    text: str
    before: str


def blocks(page: Path, language: str = "") -> list[Block]:
    """Return the fenced blocks of *page*, or those of one *language*."""
    parts = re.split(r"^```(\w*)\n(.*?)^```\n", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = [
        Block(name, text, prose.strip().rpartition("\n")[2])
        for prose, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=False)
    ]
    return [block for block in found if language in ("", block.language)]


def followed(page: Path, first: str, second: str) -> dict[str, str]:
    """Return the blocks of the language *first* that one of *second* follows at once, and the latter."""
    found = blocks(page)
    return {
        one.text: other.text
        for one, other in pairwise(found)
        if (one.language, other.language, other.before) == (first, second, "")
    }


def section(page: Path, heading: str) -> str:
    """Return the text under *heading* up to the next one of its rank."""
    after = page.read_text("utf-8").partition(f"\n{heading}\n")[2]
    assert after, heading
    rank = heading.partition(" ")[0]
    return re.split(rf"^{rank} ", after, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in *text*, but for their headings."""
    found = re.findall(r"^\|(?!-)(.*)\|$(?!\n\|-)", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in found]


def quoted(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def flowing(text: str) -> str:
    """Return *text* in one line."""
    return " ".join(text.split())


# ---- tables that are made from the code ------------------------------------------------------------------------

# Listed although this Python may be too old for it.
LATER = {"itertools": {"batched": "from Python 3.12 on"}}

# How the nodes of Python's grammar look in a file.
NODES = {
    **{"AsyncFunctionDef": "async def", "AsyncFor": "async for", "AsyncWith": "async with", "Await": "await"},
    **{"TryStar": "except* ValueError:", "MatchClass": "case int():", "TypeAlias": "type Number = str"},
    **{"TypeVar": "def f[T]():", "TypeVarTuple": "def f[*T]():", "ParamSpec": "def f[**P]():"},
    **{"TemplateStr": 't"…"', "Interpolation": 't"…"'},
}

# What is refused for more than a name: as it is shown, and as it is compiled.
WRITTEN = {
    "from json import *": "from json import *",
    "from . import numbers": "from . import numbers",
    "class Line(dict):": "class Line(dict):\n    pass",
    "class Line(metaclass=Meta):": "class Line(metaclass=Meta):\n    pass",
    "def __getattr__(self, name):": "class Line:\n    def __getattr__(self, name):\n        pass",
    "super(Line, self)": "class Line:\n    def hook(self):\n        super(Line, self)",
    "case LIMITS.most:": "match 1:\n    case LIMITS.most:\n        pass",
    "__total = 0": "__total = 0",
    "_total_ = 0": "_total_ = 0",
}

_MADE = re.compile(r"(<!-- (\w+): made by tests/test_readme\.py -->\n).*?(<!-- end -->)", re.DOTALL)


def made() -> dict[str, str]:
    """Return what is made from the code, by the name that it has in the pages."""
    attributes = {f".{name}": refusal for name, refusal in refusals.ATTRIBUTES.items()}
    attributes |= {".format": refusals.FORMAT, ".format_map": refusals.FORMAT}
    attributes |= {".gi_frame": refusals.INSPECTION, ".tb_frame": refusals.INSPECTION}
    attributes |= {"any other `.__…__`": refusals.RESERVED_ATTRIBUTE}
    grammar = {shown: refused(source) for shown, source in WRITTEN.items()}
    grammar |= {NODES[node]: refusal for node, refusal in refusals.SYNTAX.items()}
    calls = {name: Refusal(scenario.summary, "") for name, scenario in samples.SCENARIOS.items()}
    return {
        "builtins": _builtins(),
        "modules": _table("module | what it offers", ([f"`{name}`", _members(name)] for name in IMPORTABLE)),
        "imports": _refusals("import", {name: why for name, why in refusals.MODULES.items() if name not in OFFERED}),
        "members": _refusals("name", refusals.MEMBERS),
        "names": _refusals("name", refusals.NAMES),
        "attributes": _refusals("attribute", attributes),
        "grammar": _refusals("what", grammar),
        "samples": _table("sample | the call", ([f"`{name}`", _cell(call.reason)] for name, call in calls.items())),
    }


def remake(text: str) -> str:
    """Return a page with its made parts as the code has them now."""
    parts = made()
    return _MADE.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n{found[3]}", text)


def refused(source: str) -> Refusal:
    """Return the one reason for which *source* is refused."""
    with pytest.raises(LoadError) as raised:
        compile_source(source, "hook.py")
    (problem,) = raised.value.problems
    return Refusal(problem.message, problem.remedy)


def _builtins() -> str:
    exceptions = {*EXCEPTIONS, "IOError", "EnvironmentError"}
    others = {name for name in BUILTIN_NAMES if not name.startswith("_")} - exceptions
    return f"{_listed(others)}.\n\nExceptions: {_listed(exceptions)}.\n"


def _members(module: str) -> str:
    later = LATER.get(module, {})
    names = sorted({*OFFERED[module], *later})
    return ", ".join(f"`{name}` ({later[name]})" if name in later else f"`{name}`" for name in names)


def _refusals(heading: str, table: Mapping[str, Refusal]) -> str:
    grouped: dict[Refusal, dict[str, None]] = {}
    for name, refusal in table.items():
        grouped.setdefault(refusal, {})[name if "`" in name else f"`{name}`"] = None
    return _table(
        f"{heading} | why not | write instead",
        ([", ".join(names), _cell(refusal.reason), _cell(refusal.remedy)] for refusal, names in grouped.items()),
    )


def _table(heading: str, lines: Iterable[list[str]]) -> str:
    rule = "|---" * (heading.count("|") + 1) + "|"
    return "\n".join((f"| {heading} |", rule, *(f"| {' | '.join(cells)} |" for cells in lines))) + "\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _cell(text: str) -> str:
    """*text* as it reads, whatever Markdown would make of it."""
    return re.sub(r"[|<*]|(?<![^\W_])_|_(?![^\W_])", lambda found: f"\\{found[0]}", text)


@pytest.mark.parametrize("page", [LANGUAGE, CASES], ids=lambda page: page.name)
def test_made_tables_are_those_of_the_code(page: Path) -> None:
    """
    Modules, builtins, refusals and samples are documented as they are; `python -m tests.test_readme` writes them anew.
    """
    text = page.read_text("utf-8")

    assert _MADE.search(text)
    assert text == remake(text)


def test_every_made_table_is_shown() -> None:
    """
    No list that is kept for the pages is left out of them.
    """
    shown = [found[2] for page in PAGES for found in _MADE.finditer(page.read_text("utf-8"))]

    assert sorted(shown) == sorted(made())


def test_the_points_table_is_the_one_that_hookd_prints() -> None:
    """
    The README has what `hookd points --markdown` prints.
    """
    assert f"\n{markdown()}\n" in section(README, "## The 14 points")


# ---- a server, as the README starts it -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example(server: Server) -> Server:
    """A server with the example hooks, which are copied: one test changes their settings."""
    shutil.copytree(ROOT / "hooks", server.directory / "hooks", dirs_exist_ok=True)
    server.wait(lambda: set(hooks_of(server)) > set(POINTS), "the example hooks")
    return server


def hooks_of(server: Server) -> dict[str, str]:
    found: dict[str, str] = server.get("readyz").json()["sites"]["default"]["hooks"]
    return found


def shell(command: str, **options: Any) -> str:
    """Return what *command* prints, run by a shell; a command that fails fails the test."""
    ended = subprocess.run(["sh", "-ec", command], capture_output=True, timeout=COMMAND_S, check=False, **options)
    assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    out: str = ended.stdout.decode()
    return out


def asked(server: Server, command: str) -> str:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return shell(command.replace(SHOWN_ADDRESS, f"127.0.0.1:{server.port}"))


CURLS = [(page, block.text) for page in PAGES for block in blocks(page, "sh") if "curl " in block.text]


@pytest.mark.parametrize(("page", "command"), CURLS, ids=[f"{page.name}: {text.strip()}" for page, text in CURLS])
def test_a_curl_example_gives_what_is_shown(example: Server, page: Path, command: str) -> None:
    """
    A stranger who pastes a curl line of the README gets, byte for byte, what stands below it.
    """
    answer = asked(example, command)

    assert SHOWN_ADDRESS in command
    shown = followed(page, "sh", "json").get(command)
    if shown is not None:
        assert answer == shown.removesuffix("\n")
    elif "explain=1" in command:
        run = json.loads(answer)
        assert run["reply"] == {"data": {"phone": "89001234567"}, "state": "success"}
        assert {"outcome", "reason", "error", "warnings", "print", "times_ms"} < set(run)
    else:
        assert "HTTP/1.1 200 OK" in answer
        assert "server-timing: validate;dur=" in answer.lower()


def test_the_readme_has_curl_examples() -> None:
    """
    The first thing to try, and the way to see a whole run, stay in the README.
    """
    assert len([page for page, _ in CURLS if page == README]) >= 2
    assert followed(README, "sh", "json")


def test_the_list_of_points_has_requests_that_work(example: Server) -> None:
    """
    `curl http://127.0.0.1:8080/` lists a request for each point, and each is answered.
    """
    (command,) = re.findall(r"`(curl http[^`]+)`", README.read_text("utf-8"))

    listed = asked(example, command)

    commands = re.findall(r"^  (curl .*)$", listed, flags=re.MULTILINE)
    assert [command.rpartition("/")[2] for command in commands] == list(POINTS)
    for command in commands:
        assert json.loads(asked(example, command))["state"] == "success"


def test_the_first_setting_works_as_told(example: Server) -> None:
    """
    Taking the # away from the line that the README names changes the answer to the one that it names.
    """
    told = re.search(
        r"Uncomment `(.+?)` under `\[(\w+)\]` in `hooks/settings\.toml`, save, and ask again: the answer is `(\d+)`",
        flowing(README.read_text("utf-8")),
    )
    assert told
    line, point, answer = told.groups()
    path = example.directory / "hooks" / "settings.toml"
    before = path.read_text("utf-8")
    assert f"#{line}\n" in before.partition(f"[{point}]")[2].partition("\n[")[0]

    example.write("settings.toml", before.replace(f"#{line}\n", f"{line}\n"))
    try:
        example.wait(
            lambda: bool(example.post(point, {"phone": "89001234567"}).json()["data"] == {"phone": answer}),
            "the setting",
            seconds=5,
        )
    finally:
        example.write("settings.toml", before)
        example.wait(
            lambda: bool(example.post(point, {"phone": "89001234567"}).json()["data"] != {"phone": answer}),
            "the setting's end",
        )


def test_pages_and_paths_of_the_http_table_answer(example: Server) -> None:
    """
    Each path that the README lists is there, and hookd itself knows no page beside them.
    """
    cells = [row[0] for row in rows(section(README, "## HTTP")) if row[0].startswith(("`GET", "`POST"))]
    gets = [path for cell in cells for path in re.findall(r"`GET (/\w*)`", cell)]
    posts = [path for cell in cells for path in re.findall(r"(?:`|POST )(/[^ `]+)", cell) if "GET" not in cell]

    assert len(cells) == len(gets) + 3
    for path in gets:
        assert example.get(path.removeprefix("/")).status_code == 200
    known = example.get("nothing").json()["error"]["message"].partition("There are: GET ")[2].partition(";")[0]
    assert sorted(gets) == sorted(known.split(", "))
    portals = [path for path in posts if path.startswith("/bitrix24/")]
    assert len(portals) == 3
    for path in portals:
        assert example.post(path.removeprefix("/")).status_code == 400
    points = [path for path in posts if "<point>" in path]
    assert len(points) == 4
    for path in points:
        target = path.replace("<point>", "need_registration").replace("<site>", "default").replace("…", "x")
        assert example.post(target.removeprefix("/"), {}).status_code == 200


# ---- the first hour --------------------------------------------------------------------------------------------


def test_the_first_hour_works_as_written(tmp_path: Path) -> None:
    """
    The commands of the first hour run one after the other in an empty directory; the last one answers the connector.
    """
    (commands,) = [block.text for block in blocks(README, "sh") if "hookd init" in block.text]
    *lines, last = [line.partition("  #")[0].rstrip() for line in commands.splitlines()]
    bin_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    out = shell("\n".join(lines), cwd=tmp_path, env={**os.environ, "PATH": bin_path, "HOOKD_CONFIG": ""})

    assert last == "hookd serve"
    for said in ("outcome: unchanged", "incoming@call_ended", "2 hooks: 0 problems, 0 warnings", "3 passed, 0 failed"):
        assert said in out
    server = start(tmp_path / "pbx")
    try:
        assert server.post("need_registration", {}).json() == {"data": {"result": True}, "state": "success"}
        assert set(hooks_of(server)) == {"need_registration", "process_client_phone"}
    finally:
        server.stop()


def test_make_has_the_commands_that_are_shown() -> None:
    """
    `make serve`, `make test` and `make bench` are targets of the Makefile.
    """
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE))
    shown = {name for page in PAGES for name in re.findall(r"(?:^|`)make (\w+)", page.read_text("utf-8"), re.MULTILINE)}

    assert shown == {"serve", "test", "bench"}
    assert shown < targets


# ---- hooks, settings and cases that are shown ------------------------------------------------------------------


class Shown(NamedTuple):
    """The files of a site, by their path below hooks/, that a page shows."""

    name: str
    files: dict[str, str]


def shown_sites() -> Iterator[Shown]:
    """Every hook of every page with the lib files and settings that stand beside it; not those that are refused."""
    for page in PAGES:
        with_settings, are_refused = followed(page, "python", "toml"), followed(page, "python", "text")
        files = {text: _file(text) for _, text, _ in blocks(page, "python") if ">>>" not in text}
        libs = {file: text for text, file in files.items() if file.startswith("lib/")}
        jobs = {file: text for text, file in files.items() if file.startswith("jobs/")}
        pages = {found[1]: text for _, text, _ in blocks(page, "html") if (found := _TEMPLATE.match(text))}
        for text, file in files.items():
            if file not in libs and text not in are_refused:
                own = {file: text, **{lib: libs[lib] for lib in libs if f"lib.{Path(lib).stem}" in text}}
                named = {job: jobs[job] for job in jobs if f'"{Path(job).stem}"' in text}
                own |= named | {name: pages[name] for name in pages if f'"{Path(name).name}"' in text}
                for job in named.values():
                    own["settings.toml"] = with_settings[job]
                if text in with_settings:
                    own["settings.toml"] = with_settings[text]
                yield Shown(f"{page.stem}-{Path(file).stem}".lower().replace("_", "-"), own)


_TEMPLATE = re.compile(r"<!-- hooks/(templates/\S+) -->\n")


def _file(text: str) -> str:
    """The path that the first line names, else that of the point's function."""
    named = re.match(r"# hooks/(\S+)\n", text)
    if named:
        return named[1]
    (point,) = [name for name in re.findall(r"^def (\w+)", text, flags=re.MULTILINE) if name in POINTS]
    return f"{point}.py"


@contextlib.contextmanager
def installed(directory: Path, sites: Mapping[str, Mapping[str, str]]) -> Iterator["Installation"]:
    """Give an installation with *sites*, each with the files below its hooks/."""
    for site, files in sites.items():
        for name, text in files.items():
            path = directory / "sites" / site / "hooks" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    (directory / "hookd.toml").write_text("workers_max = 2\n")
    with asyncio.Runner() as runner:
        service = Service(settings.load(directory / "hookd.toml", directory), keeps=False)
        try:
            runner.run(service.start(follow=False))
            yield Installation(runner, service)
        finally:
            runner.run(service.stop())


class Installation(NamedTuple):
    """A service and its event loop."""

    runner: asyncio.Runner
    service: Service

    def site(self, name: str) -> Site:
        found = self.service.sites.get(name)
        assert found
        return found

    def results(self, name: str) -> list[cases.Result]:
        """Return what came of all cases of the site *name*."""
        site = self.site(name)

        async def run() -> list[cases.Result]:
            clock = asyncio.get_running_loop().time
            found = cases.load(site.hooks.directory / cases.FOLDER)
            return [await cases.run(self.service.runner, site, case, started=clock()) for case in found]

        return self.runner.run(run())


def test_every_hook_that_is_shown_is_accepted(tmp_path: Path) -> None:
    """
    What a stranger copies out of the README or docs/ passes `hookd check` without a problem or a warning.
    """
    sites = dict(shown_sites())

    with installed(tmp_path, sites) as installation:
        reviews = {name: review(installation.site(name)) for name in sites}

    assert len(sites) >= 4
    assert {name: [str(each.problem) for each in found.findings] for name, found in reviews.items()} == {
        name: [] for name in sites
    }
    assert all(found.hooks and not found.broken for found in reviews.values())


@each_page
def test_what_is_shown_as_refused_is_refused_so(page: Path) -> None:
    """
    A hook that is shown with what `hookd check` says of it gets just that said.
    """
    for source, said in followed(page, "python", "text").items():
        with pytest.raises(LoadError) as raised:
            compile_source(source, _file(source))

        assert str(raised.value) == said.rstrip("\n")


def test_the_example_of_the_readme_works(tmp_path: Path) -> None:
    """
    The hook, its settings and its test fit together: the case passes as it is shown.
    """
    (case,) = [block.text for block in blocks(README, "json") if '"sample"' in block.text]
    (files,) = [found.files for found in shown_sites() if found.name.startswith("readme")]

    with installed(tmp_path, {"readme": {**files, "tests/process_final_params/readme.json": case}}) as installation:
        (result,) = installation.results("readme")
        (found,) = [installation.site("readme").hooks.snapshot.settings["process_final_params"]]

    assert result.differences == ()
    assert result.run.outcome == "ok"
    assert found == {"owner_by_trunk": {"73432723033": 17}} == result.case.settings


def test_the_error_that_is_shown_is_said(tmp_path: Path) -> None:
    """
    The line that a failing hook gives in the README is the one that a mistyped key in its hook gives.
    """
    (said,) = [block.text.rstrip("\n") for block in blocks(README, "text")]
    (files,) = [found.files for found in shown_sites() if found.name.startswith("readme")]
    (case,) = [block.text for block in blocks(README, "json") if '"sample"' in block.text]
    wrong = {name: text.replace('"USER_ID"', '"USERID"') for name, text in files.items()}

    with installed(tmp_path, {"readme": {**wrong, "tests/process_final_params/readme.json": case}}) as installation:
        (result,) = installation.results("readme")

    assert result.run.reason == "contract"
    assert str(result.run.error) == said


def test_the_cases_that_are_shown_pass(tmp_path: Path) -> None:
    """
    Each case of docs/cases.md passes with the example hooks, from the file that it is shown as.
    """
    examples = {
        str(path.relative_to(ROOT / "hooks")): path.read_text("utf-8")
        for path in (ROOT / "hooks").rglob("*.*")
        if path.suffix in (".py", ".toml")
    }
    examples |= {
        block.text.partition("\n")[0].removeprefix("# hooks/"): block.text for block in blocks(CASES, "python")
    }
    shown = {_case_file(block): block.text for block in blocks(CASES, "json")}
    (difference,) = [block.text.rstrip("\n") for block in blocks(CASES, "text")]

    with installed(tmp_path, {"cases": {**examples, **shown}}) as installation:
        results = {result.case.file: result for result in installation.results("cases")}

    assert len(shown) >= 7
    assert {file: [str(each) for each in result.differences] for file, result in results.items()} == {
        file: [] for file in shown
    }
    file, _, said = difference.partition(": ")
    told = results[file.removeprefix("hooks/")]
    assert said.startswith("/reply/phone: ")
    assert f'expected "{told.run.reply["data"]["phone"]}"' in said


def _case_file(block: Block) -> str:
    (path,) = quoted(block.before)
    return path.removeprefix("hooks/")


def test_every_key_of_a_case_is_documented_with_an_example(tmp_path: Path) -> None:
    """
    docs/cases.md has a row for each key, no other, and an example that has it.
    """
    path = tmp_path / "need_registration" / "case.json"
    path.parent.mkdir()
    path.write_text('{"no such key": 1}')
    (problem,) = cases.read(tmp_path)[1]
    known = problem.remedy.removeprefix("Keys: ").removesuffix(".").split(", ")
    documented = [quoted(row[0])[0] for row in rows(CASES.read_text("utf-8").partition("\n## ")[0])]
    shown = {key for block in blocks(CASES, "json") for key in json.loads(block.text)}

    assert documented == known
    assert shown == set(known)
    assert all(f"`{key}`" in section(README, "## Tests of hooks") or f'"{key}"' in README.read_text() for key in known)


@each_page
def test_settings_that_are_shown_load(page: Path, tmp_path: Path) -> None:
    """
    Every TOML example is a file, or a part of one, that hookd takes.
    """
    for number, block in enumerate(blocks(page, "toml")):
        for secret in re.findall(r'= "(secrets/\w+)"', block.text):
            (tmp_path / str(number) / secret).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / str(number) / secret).write_text("a-secret-of-this-test", "utf-8")
        if "hooks/settings.toml" in block.text or set(tomllib.loads(block.text)) & set(POINTS):
            assert set(tomllib.loads(block.text)) <= {*POINTS, "all", "jobs", "events", "placements"}
            continue
        if block.text.startswith("# hookd.toml"):
            path = tmp_path / str(number) / settings.CONFIG_NAME
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, "utf-8")
            check_points(settings.load(path, path.parent).site, path.name)
        else:
            path = tmp_path / str(number) / settings.SITE_NAME
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text, "utf-8")
            settings.load_site(path.parent)


# ---- lists of the README against the code ----------------------------------------------------------------------

# Defaults that depend on the machine, or on the point.
DEFAULTS = {"processes": "one a core", "timeout_s": "the point's limit", "on_error": "the unchanged data"}


def default_shown(setting: Setting) -> str:
    """Return the default of *setting* as the README has it."""
    if setting.name in DEFAULTS:
        return DEFAULTS[setting.name]
    if setting.name == "isolation" and setting.default is None:
        return "the site's"
    if setting.default is False:
        return "`false`"
    if setting.name == "records_roots":
        return ", ".join(f"`{path}`" for path in setting.default)
    return f"`{setting.default}`" if setting.default not in (None, "", (), {}) else "none"


def test_every_setting_is_documented() -> None:
    """
    Each setting stands in the README with its default and its sentence, in the code's order, and no other does.
    """
    known = [
        [f"`{setting.name}`", default_shown(setting), setting.about]
        for setting in (*SETTINGS, *SITE_SETTINGS, *POINT_SETTINGS)
    ]

    assert rows(section(README, "## Settings")) == known


def test_commands_and_options_are_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Each command has a row with its own options; those that several have stand below. Nothing else is promised.
    """
    text = section(README, "## Commands")
    documented = {row[0].strip("`"): quoted(row[1]) for row in rows(text)}
    options = {command.split()[1]: helped(capsys, command.split()[1]) for command in documented}

    assert list(options) == helped(capsys)
    for command, words in documented.items():
        own = {word.split()[0] for word in words if word.startswith("--")}
        assert own == set(options[command.split()[1]]) - {"--config", "--site", "--format"}, command


def test_common_options_are_documented() -> None:
    """
    The README lists which commands take --config and --site, and which look at all sites without it: as the parsers of
    commands and actions have it. A command's name stands for its actions where all of them do.
    """
    said = flowing(section(README, "## Commands"))
    taken = {name: taken_by(name) for name in cli.COMMANDS}

    def listed(holds: Callable[[dict[str, Any]], bool]) -> str:
        names: list[str] = []
        for name, parsers in taken.items():
            found = [path for path, options in parsers.items() if holds(options)]
            names += [name] if len(found) == len(parsers) else found
        return ", ".join(f"`{name}`" for name in names[:-1]) + f" and `{names[-1]}`"

    assert f"{listed(lambda options: '--config' in options)} take `--config FILE`;" in said
    assert f"; {listed(lambda options: '--site' in options)} take `--site NAME` (" in said
    everywhere = listed(lambda options: options.get("--site", "") is None)
    assert f"(the default site without it; {everywhere} then look at all sites)." in said
    assert f"Every command but {listed(lambda options: '--format' not in options)} takes `--format json`." in said


def taken_by(command: str) -> dict[str, dict[str, Any]]:
    """Return the options of *command*, where it needs no action, and of each of its actions, with their defaults."""
    (commands,) = _choices(cli._parser([command]))
    parser = commands.choices[command]
    actions = [f"{command} {name}" for choice in _choices(parser) for name in choice.choices]
    found = {path: _options(_choices(parser)[0].choices[path.split()[1]]) for path in actions}
    return found if any(choice.required for choice in _choices(parser)) else {command: _options(parser), **found}


def _choices(parser: argparse.ArgumentParser) -> list[Any]:
    return [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]


def _options(parser: argparse.ArgumentParser) -> dict[str, Any]:
    return {option: action.default for action in parser._actions for option in action.option_strings}


def helped(capsys: pytest.CaptureFixture[str], command: str = "") -> list[str]:
    """Return the options that `hookd COMMAND --help` lists, or the commands that `hookd --help` does."""
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--help"])
    out = capsys.readouterr().out
    found = re.findall(r"^  (--\w+)" if command else r"^    (\w+) ", out, flags=re.MULTILINE)
    return list(dict.fromkeys(found))


def test_every_error_code_is_documented() -> None:
    """
    The README's table has each status with its code that a sender can get, and no other.
    """
    raised = {(error.status, error.code) for error in _families(SenderError) if error is not SenderError}
    raised |= {(405, "http"), (500, "http")}  # what Flask answers to a wrong method, and to a fault of ours
    documented = {
        (int(status), row[1].strip("`"))
        for row in rows(section(README, "## HTTP"))
        if row[0][:1].isdigit()
        for status in row[0].split(", ")
    }

    assert documented == raised
    assert not _calls_of("SenderError")


def _families(kind: type[SenderError]) -> Iterator[type[SenderError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _families(below)


def test_every_reason_is_documented() -> None:
    """
    Outcomes and reasons in the README are those that runs can have, and each of them a case can expect.
    """
    cells = {quoted(row[0])[0]: row[1] for row in rows(section(README, "## HTTP")) if row[0].startswith("`Hookd-")}
    reasons = quoted(cells["Hookd-Reason"])

    assert tuple(quoted(cells["Hookd-Outcome"])) == cases.OUTCOMES
    assert set(reasons) == _reasons()
    assert set(reasons) <= set(cases.REASONS)


def _reasons() -> set[str]:
    """The words that the runner, and the worker in its answers, give as reasons."""
    found: set[str] = set()
    for path in ("runner.py", "failures.py"):
        for node in ast.walk(_tree(path)):
            match node:
                case ast.Call(func=ast.Name(id="Failure"), args=[ast.Constant(value=str(code)), *_]):
                    found.add(code)
                case ast.Assign(targets=[ast.Name(id="reason") | ast.Attribute(attr="reason")], value=value):
                    found |= _texts(value)
    for node in ast.walk(_tree("sandbox/worker.py")):
        match node:
            case ast.Dict(keys=[ast.Constant(value="code"), *_], values=[ast.Constant(value=str(code)), *_]):
                found.add(code)
            case ast.Assign(targets=[ast.Name(id="code")], value=value):
                found |= _texts(value)
    return found


def _texts(node: ast.expr) -> set[str]:
    """The texts that *node* may be: a constant, or one of two; a comparison's are none."""
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_every_header_is_documented() -> None:
    """
    The headers that hookd sends and reads are in the README, and no other.
    """
    sent = {
        node.value.decode()
        for node in ast.walk(_tree("web/connector.py"))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, bytes)
        and re.fullmatch(rb"hookd-[a-z-]+|server-timing", node.value)
    }
    text = section(README, "## HTTP")

    assert {name.lower() for name in re.findall(r"`(Hookd-[\w-]+|Server-Timing)`", text)} == sent


def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / "hookd" / path).read_text("utf-8"))


def _calls_of(name: str) -> list[str]:
    return [
        str(path)
        for path in (ROOT / "hookd").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def test_limits_in_the_readme_are_those_of_the_code() -> None:
    """
    Numbers in the prose of the README are the constants.
    """
    text = flowing(README.read_text("utf-8"))

    for said in (
        f"{MIN_TOKEN_CHARACTERS} characters or more",
        f"1 s a point (`timeout_s`, 0.05 to {MAX_TIMEOUT_S:g})",
        f"`process_record_file_path` has {RECORD_TIMEOUT_S:g} s",
        f"its first {connector.ERROR_HEADER_CHARACTERS} characters",
        f"not complete {protocol.BODY_S:g} s after its headers",
        f"longer than {connector.MAX_BODY_BYTES // 2**20} MB",
        f"{jail.ADDRESS_SPACE_BYTES // jail.MEGABYTE} MB of address space",
    ):
        assert said in text, said
    assert DEFAULT_TIMEOUT_S == 1.0


def test_modules_in_the_readme_are_those_that_there_are() -> None:
    """
    The README names what may be imported, in the order of docs/language.md.
    """
    text = flowing(section(README, "## The hook language"))
    listed = text.partition("A hook may import ")[2].partition(", and your own files")[0]

    assert quoted(listed) == list(IMPORTABLE)


def test_tools_in_the_readme_are_those_that_there_are() -> None:
    """
    The README's table names what a hook may ask for, and nothing else.
    """
    table = section(README, "## Your first hour").partition("| parameter |")[2].partition("\n\n")[0]

    assert sorted(quoted(row[0])[0] for row in rows(f"|{table}")) == sorted(["request", *worker.TOOLS])


# ---- docs/language.md ------------------------------------------------------------------------------------------


def test_the_methods_of_classes_are_documented() -> None:
    """
    The methods that a class may define are those that the page lists, with their reflected and in-place forms.
    """
    text = section(LANGUAGE, "## Classes")
    items = re.findall(r"^- (.*(?:\n  .*)*)", text, flags=re.MULTILINE)
    *plain_items, operators = items
    names = {name for item in plain_items for name in quoted(item)}
    base = [name.strip("_") for name in quoted(operators) if name not in ("__radd__", "__iadd__")]
    names |= {f"__{kind}{name}__" for name in base for kind in ("", "r", "i")}

    assert names == METHODS


def test_the_limits_of_hooks_are_documented() -> None:
    """
    Each limit in the table is the one in the code.
    """
    table = {row[0]: row[1] for row in rows(section(LANGUAGE, "## Limits"))}

    assert table == {
        "a hook, a lib file": f"{MAX_SOURCE_BYTES // 1024} KB of UTF-8",
        "executing the file when it is loaded": f"{CHECK_S:g} s",
        "a run": f"the point's limit ({DEFAULT_TIMEOUT_S:g} s, recordings {RECORD_TIMEOUT_S:g} s)",
        "memory": f"{jail.ADDRESS_SPACE_BYTES // jail.MEGABYTE} MB, of which Python takes about 45",
        "printed text": f"{worker.PRINT_BYTES // 1024} KB a run",
        "what is returned": f"{TEXT_BYTES_MAX // 2**20} MB of text, {NODES_MAX:,} values, {DEPTH_MAX} levels",
        "set in the reply": f"{MAX_SET_KEYS:,} keys, {MAX_SET_VALUES:,} values",
        "whole numbers that are returned": f"{INTEGER_LIMIT.bit_length()} bits",
        "whole numbers that are printed": f"{sys.get_int_max_str_digits()} digits",
        "functions that call one another": "about 1000 deep",
        "`decimal`": "1000 digits",
    }


def test_remedies_name_tools_that_there_are() -> None:
    """
    A tool that a remedy tells to ask for is one.
    """
    remedies = " ".join(
        refusal.remedy
        for table in (refusals.MODULES, refusals.MEMBERS, refusals.NAMES, refusals.ATTRIBUTES, refusals.SYNTAX)
        for refusal in table.values()
    )

    named = set(re.findall(r"\btool (\w+)|(\w+) where it is Bitrix24", remedies))
    assert named == {("http", ""), ("bitrix", ""), ("phones", ""), ("", "bitrix")}
    assert {tool for pair in named for tool in pair if tool} <= set(worker.TOOLS)


def ran(source: str, *, times: int = 1) -> list[Json]:
    """Return what the function `hook` of *source* returns in so many runs, or what is said of its failure."""
    message = {"kind": "point", "name": "hook", "file": "hook.py", "source": source, "libs": {}}
    program = worker.compile_program(message)
    site = worker.Site(zone("UTC"), Phones("RU", ""), Hours(), frozenset())
    calls = Calls(lambda message: {}, lambda value: value)
    run = worker.Run("hook", {}, {}, None, site, calls)
    answers = [worker.execute(program, run, lambda text: None) for _ in range(times)]
    return [answer["ok"] if "ok" in answer else f"{answer['error']}" for answer in answers]


def test_nothing_outlives_a_run() -> None:
    """
    What stands at the top of a file is as it is written there in every run.
    """
    assert ran("SEEN = []\ndef hook():\n    SEEN.append(1)\n    return SEEN\n", times=3) == [[1]] * 3


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("def hook():\n    return (1, 'a', 2.5, True, None, {'k': [(1,)]})\n", [1, "a", 2.5, True, None, {"k": [[1]]}]),
        ("def hook():\n    x: Nowhere = 5\n    return x\n", 5),
        ("def hook():\n    return '%s: %d' % ('a', 5) + f'{1234.5:,.2f}'\n", "a: 51,234.50"),
        (
            "def f(a=1, *rest, b=2, **more):\n    return [a, rest, b]\ndef hook():\n    return f(*[1, 2, 3])\n",
            [1, [2, 3], 2],
        ),
        ("import json as j\nfrom json import loads\ndef hook():\n    return loads(j.dumps([1]))\n", [1]),
        ("import re\ndef hook():\n    return re.findall('A.', 'a\\na1', re.I | re.M)\n", ["a1"]),
        ("import calendar\ndef hook():\n    return calendar.day_name[0]\n", "Monday"),
        ("import decimal\ndef hook():\n    return str(decimal.Decimal(1) / 3)\n", "0." + "3" * 28),
        ("import hmac\ndef hook():\n    return len(hmac.new(b'k', b'd', 'sha256').hexdigest())\n", 64),
        ("def hook():\n    _own = 1\n    return _own\n", 1),
    ],
)
def test_what_is_said_to_work_works(source: str, result: Json) -> None:
    """
    What docs/language.md says of ordinary Python, and of the modules, is so.
    """
    assert ran(source) == [result]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def hook():\n    return {1, 2}\n", "Write sorted(value)."),
        ("from datetime import date\ndef hook():\n    return date(2025, 1, 1)\n", "isoformat()"),
        ("from decimal import Decimal\ndef hook():\n    return Decimal(1)\n", "str(value)"),
        ("def hook():\n    yield 1\n", "a hook itself ends with return, not with yield."),
        ("def hook():\n    return {'a': 1}.a\n", 'write value["a"]'),
        ("def hook():\n    text = '{}'\n    return text.format(1)\n", "Write an f-string"),
        ("def hook():\n    return type('Line', (), {})\n", "type() takes 1 positional argument"),
        ("def hook():\n    return print(1, file=None)\n", "unexpected keyword argument 'file'"),
        ("def hook():\n    return hook()\n", "RecursionError"),
        ("def hook():\n    return str(10**5000)\n", "4300 digits"),
        ("import decimal\ndef hook():\n    return decimal.localcontext(prec=1001)\n", "1 to 1000 digits"),
        ("def hook():\n    return 2**63\n", "more than 64 bits"),
    ],
)
def test_what_is_said_not_to_work_is_told(source: str, said: str) -> None:
    """
    What docs/language.md says to differ from plain Python ends a run with words that help.
    """
    (told,) = ran(source)

    assert said in told


# ---- all pages -------------------------------------------------------------------------------------------------


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """
    Every link between the pages leads to a file that is there, and to a heading in it.
    """
    text = page.read_text("utf-8")

    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]

    for target in targets:
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in _anchors(file), target


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    """
    Nothing in docs/ has to be found by chance.
    """
    text = README.read_text("utf-8")

    assert [page.name for page in PAGES[1:] if f"](docs/{page.name}" not in text] == []


@each_page
def test_lines_are_no_longer_than_an_editor_is_wide(page: Path) -> None:
    """
    Prose and examples are wrapped; rows of tables and what programs say are not.
    """
    said = {line for block in blocks(page, "text") for line in block.text.splitlines()}
    made_lines = {line for part in made().values() for line in part.splitlines()}
    lines = [line for line in page.read_text("utf-8").splitlines() if not line.startswith("|")]

    assert [line for line in lines if len(line) > PROSE_CHARACTERS and line not in said | made_lines] == []


def test_the_options_of_the_benchmark_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """
    docs/speed.md names options that the benchmark takes, the peers that it has, and a place for figures.
    """
    for main in (benchmarks.main, benchmarks_of_events.main):
        with pytest.raises(SystemExit):
            main(["--help"])
    known = set(re.findall(r"--\w+", capsys.readouterr().out))
    text = SPEED.read_text("utf-8")

    assert set(re.findall(r"--\w+", "".join(block.text for block in blocks(SPEED, "sh")))) <= known
    assert [row[0] for row in rows(text.partition("\n## ")[0])] == list(PEERS)
    assert re.search(r"\n## Figures\n\n<!-- figures: .* -->\n\n.+\n\n<!-- end -->\n", text, flags=re.DOTALL)


if __name__ == "__main__":
    for each in (LANGUAGE, CASES):
        each.write_text(remake(each.read_text("utf-8")), "utf-8")
