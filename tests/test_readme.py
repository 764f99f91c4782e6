"""
The README and docs/: whatever they show is done here as it stands, and whatever they list is held against the code.

Tables that are made from the code are written anew by `python -m tests.test_readme`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from hookd import samples
from hookd.errors import LoadError
from hookd.sandbox.language import OFFERED, compile_source, refusals
from hookd.sandbox.language.classes import EXCEPTIONS
from hookd.sandbox.language.modules import IMPORTABLE
from hookd.sandbox.language.refusals import Refusal
from hookd.sandbox.language.session import BUILTIN_NAMES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "hookd"
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
LANGUAGE, CASES, SPEED = (ROOT / "docs" / f"{name}.md" for name in ("language", "cases", "speed"))

SHOWN_ADDRESS = "127.0.0.1:8080"
COMMAND_S = 60.0
LINE_CHARACTERS = 132  # of prose; rows of tables are as long as they are


# ---- reading a page --------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of prose before it."""

    language: str
    text: str
    before: str


def blocks(page: Path, language: str = "") -> list[Block]:
    """Return the fenced blocks of *page*, or those of a *language*."""
    found = []
    before = ""
    parts = re.split(r"^```(\w*)\n(.*?)^```\n", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for prose, name, text in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
        before = prose.strip().rpartition("\n")[2]
        found.append(Block(name, text, before))
    return [block for block in found if language in ("", block.language)]


def pairs(page: Path, first: str, second: str) -> list[tuple[str, str]]:
    """Return the blocks of the language *first* that one of *second* follows at once, and these."""
    all_blocks = blocks(page)
    return [
        (one.text, other.text)
        for one, other in zip(all_blocks, all_blocks[1:], strict=False)
        if (one.language, other.language, other.before) == (first, second, "")
    ]


def section(page: Path, heading: str) -> str:
    """Return the text under *heading* up to the next one of its rank."""
    text = page.read_text("utf-8")
    rank = re.escape(heading.partition(" ")[0])
    return re.split(rf"^{rank} ", text.partition(f"\n{heading}\n")[2], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table in *text*, without headings."""
    found = re.findall(r"^\|(?!-)(.*)\|\n(?!\|-)", text + "\n", flags=re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in found]


def quoted(text: str) -> list[str]:
    """Return what stands in backquotes."""
    return re.findall(r"`([^`]+)`", text)


def flowing(text: str) -> str:
    """Return *text* without its line breaks."""
    return " ".join(text.split())


# ---- tables that are made from the code ------------------------------------------------------------------------

# In the table although this Python may be too old for it.
LATER = {"itertools": {"batched": "Python 3.12"}}

NODES = {
    **{"AsyncFunctionDef": "async def", "AsyncFor": "async for", "AsyncWith": "async with", "Await": "await"},
    **{"TryStar": "except* ValueError:", "MatchClass": "case int():", "TypeAlias": "type Number = str"},
    **{"TypeVar": "def f[T]():", "TypeVarTuple": "def f[*T]():", "ParamSpec": "def f[**P]():"},
    **{"TemplateStr": 't"…"', "Interpolation": 't"…"'},
}

# What is refused by more than its name: as it is shown, and as it is compiled.
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


def made() -> dict[str, str]:
    """Return every block that is made from the code, by its name."""
    attributes = {f".{name}": refusal for name, refusal in refusals.ATTRIBUTES.items()}
    attributes |= {".format": refusals.FORMAT, ".format_map": refusals.FORMAT, ".gi_frame": refusals.INSPECTION}
    attributes |= {".tb_frame": refusals.INSPECTION, "any other `.__name__`": refusals.RESERVED_ATTRIBUTE}
    grammar = {NODES[node]: refusal for node, refusal in refusals.SYNTAX.items()}
    grammar |= {shown: refused(source) for shown, source in WRITTEN.items()}
    return {
        "builtins": _builtins(),
        "modules": _table(("module", "what it offers"), ([f"`{name}`", _members(name)] for name in IMPORTABLE)),
        "imports": _refusals("import", refusals.MODULES),
        "members": _refusals("name", refusals.MEMBERS),
        "names": _refusals("name", refusals.NAMES),
        "attributes": _refusals("attribute", attributes),
        "grammar": _refusals("what", grammar),
        "samples": _table(
            ("sample", "the call"),
            ([f"`{name}`", _cell(scenario.summary)] for name, scenario in samples.SCENARIOS.items()),
        ),
    }


def refused(source: str) -> Refusal:
    """Return why *source* is refused."""
    with pytest.raises(LoadError) as raised:
        compile_source(source, "hook.py")
    (problem,) = raised.value.problems
    return Refusal(problem.message, problem.remedy)


def _builtins() -> str:
    exceptions = {*EXCEPTIONS, "IOError", "EnvironmentError"}
    others = {name for name in BUILTIN_NAMES if not name.startswith("_")} - exceptions
    return f"{_names(others)}; and the exceptions {_names(exceptions)}.\n"


def _members(module: str) -> str:
    later = LATER.get(module, {})
    return ", ".join(
        f"`{name}`" + (f" ({later[name]})" if name in later else "") for name in sorted({*OFFERED[module], *later})
    )


def _refusals(heading: str, table: Mapping[str, Refusal]) -> str:
    grouped: dict[Refusal, list[str]] = {}
    for name, refusal in table.items():
        shown = name if "`" in name else f"`{name}`"
        if shown not in grouped.setdefault(refusal, []):
            grouped[refusal].append(shown)
    return _table(
        (heading, "why not", "write instead"),
        ([", ".join(names), _cell(refusal.reason), _cell(refusal.remedy)] for refusal, names in grouped.items()),
    )


def _table(heading: tuple[str, ...], lines: Iterable[list[str]]) -> str:
    ruled = [list(heading), ["---"] * len(heading), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in ruled).replace("| --- | --- |", "|---|---|")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _cell(text: str) -> str:
    """*text* as it reads, whatever Markdown makes of its characters."""
    return re.sub(r"[|<*]|__|(?<=\[)(?=\[)", lambda found: "".join(f"\\{each}" for each in found.group()), text)


_MADE = re.compile(
    r"(?P<head><!-- (?P<name>\w+): made by tests/test_readme\.py -->\n)(?P<body>.*?)<!-- end -->", re.DOTALL
)


def remake(text: str, found: Mapping[str, str]) -> str:
    """Return *text* with its made blocks as the code has them."""
    return _MADE.sub(lambda block: f"{block['head']}\n{found[block['name']]}\n<!-- end -->", text)
