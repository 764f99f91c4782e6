"""
Two runs in one warm worker: whatever the first leaves, the second finds the world as it was.

A hook that leaves something and one that looks for it, in the same real process, one pair for each place where state
could be. The second must find what it finds in a worker that has run nothing.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent
from typing import Any

import pytest

from hookd.sandbox.pool import Pool
from hookd.settings import SiteSettings
from hookd.sites import site_message

SITE = site_message(SiteSettings("Europe/Moscow", "RU", "343", {"mon-fri": "09:00-18:00"}, (), ()))
LIBS = {
    "kept": 'SEEN = []\nRATES = {"a": 1}\n\n\nclass Team:\n    size = 1\n\n\n'
    "def note(value, seen=[]):\n    seen.append(value)\n    return len(seen)\n"
}
RUN_S = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """
    Two hooks.

    Attributes:
        leaver: Body of the first one's function.
        finder: Body of the second one's, which returns what it finds.
        top: What stands above the function in both files.
        ends: What comes of the first one: "ok" or the code of its error.
    """

    leaver: str
    finder: str
    top: str = ""
    ends: str = "ok"


COUNTED = "class Counted:\n    number = 0\n    names = []\n"
LATE = (
    "def late(left):\n    try:\n        yield 1\n    finally:\n        left.append(1)\n        print('late')\n\n"
    "class Late:\n    def __init__(self):\n        self.itself = self\n"
)

PAIRS = {
    "module list": Pair("seen.append(1)\nreturn len(seen)", "return seen", "seen = []"),
    "module dict": Pair("seen['a'] = 1\nreturn 1", "return seen", "seen = {}"),
    "global": Pair("global n\nn = n + 1\nreturn n", "return n", "n = 0"),
    "new global": Pair("global fresh\nfresh = 1\nreturn 1", "return fresh", "fresh = 0"),
    "default argument": Pair(
        "return note(1)", "return note(1)", "def note(x, seen=[]):\n    seen.append(x)\n    return seen"
    ),
    "class attribute": Pair(
        "Counted.number = 5\nCounted.names.append(1)\nreturn 1", "return [Counted.number, Counted.names]", COUNTED
    ),
    "closure": Pair(
        "return count()",
        "return count()",
        "def make():\n    seen = []\n    def count():\n        seen.append(1)\n        return len(seen)\n"
        "    return count\n\ncount = make()",
    ),
    "generator in the middle": Pair(
        "next(numbers)\nnext(numbers)\nreturn 1", "return next(numbers)", "numbers = (n for n in range(9))"
    ),
    "lib list": Pair("SEEN.append(1)\nreturn 1", "return SEEN", "from lib.kept import SEEN"),
    "lib dict": Pair("RATES['b'] = 2\nreturn 1", "return RATES", "from lib.kept import RATES"),
    "lib class": Pair("Team.size = 9\nreturn 1", "return Team.size", "from lib.kept import Team"),
    "lib default argument": Pair("return note(1)", "return note(1)", "from lib.kept import note"),
    "request": Pair("request['a'] = 1\nrequest['inner']['x'] = 2\nreturn 1", "return request"),
    "settings": Pair("found = settings.get('rates', {})\nfound['b'] = 2\nreturn 1", "return settings.get('rates', {})"),
    "random seed": Pair(
        "random.seed(5)\nreturn random.random()", "return random.random() == 0.7417869892607294", "import random"
    ),
    "random shuffle": Pair("x = list(range(9))\nrandom.shuffle(x)\nreturn x", "return list(range(9))", "import random"),
    "decimal precision": Pair(
        "with decimal.localcontext(prec=3):\n    return str(decimal.Decimal(1) / 3)",
        "return str(decimal.Decimal(1) / 3)",
        "import decimal",
    ),
    "decimal precision of a generator": Pair(
        "found = spoil()\nreturn next(found)",
        "return str(decimal.Decimal(1) / 3)",
        "import decimal\n\n\ndef spoil():\n    with decimal.localcontext(prec=3):\n"
        "        yield str(decimal.Decimal(1) / 3)",
    ),
    "decimal precision of an exception": Pair(
        "with decimal.localcontext(prec=3):\n    return 1 / 0",
        "return str(decimal.Decimal(1) / 3)",
        "import decimal",
        ends="error",
    ),
    "decimal flags": Pair(
        "return str(decimal.Decimal(1) / 3 + decimal.Decimal('1e-99'))",
        "return str(decimal.Decimal(10) ** 20 / 7)",
        "import decimal",
    ),
    "json": Pair("return json.loads('{\"a\": [1]}')", "return json.dumps(json.loads('[1, 2]'))", "import json"),
    "json read twice": Pair(
        "found = json.loads('{\"a\": [1]}')\nfound['a'].append(2)\nreturn found",
        "return json.loads('{\"a\": [1]}')",
        "import json",
    ),
    "regular expressions": Pair(
        "for n in range(600):\n    re.sub('a' + str(n), 'b', 'c')\nreturn 1",
        "return [re.sub('a(.)', r'<\\1>', 'xaby'), re.findall('[0-9]+', '1 22')]",
        "import re",
    ),
    "abandoned generator": Pair("g = late([])\nreturn next(g)", "return 'nothing'", LATE),
    "abandoned cycle": Pair(
        "x = Late()\nx.generator = late([])\nnext(x.generator)\nx.generator2 = x\nreturn 1", "return 'nothing'", LATE
    ),
    "print": Pair("print('a' * 70_000)\nprint('of the first')\nreturn 1", "print('of the second')\nreturn 1"),
    "print of an exception": Pair("print('half', end='')\nreturn 1 / 0", "print('whole')\nreturn 1", ends="error"),
    "time zone": Pair(
        "found = datetime.datetime(2024, 5, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo'))\nreturn found.isoformat()",
        "return datetime.datetime(2024, 5, 1, 12).astimezone().isoformat()",
        "import datetime\nimport zoneinfo",
    ),
    "recursion": Pair(
        "def down(n):\n    return down(n + 1)\nreturn down(0)",
        "def down(n):\n    return n if n == 150 else down(n + 1)\nreturn down(0)",
        ends="error",
    ),
    "recursion that is caught": Pair(
        "def down(n):\n    try:\n        return down(n + 1)\n    except RecursionError:\n        return n\n"
        "return down(0) > 100",
        "def down(n):\n    return n if n == 150 else down(n + 1)\nreturn down(0)",
    ),
    "exception": Pair("raise ValueError('of the first')", "return 1", ends="error"),
    "exception in hand": Pair(
        "try:\n    return 1 / 0\nfinally:\n    held.append(1)", "return held", "held = []", ends="error"
    ),
    "names": Pair("str = int\nlen = max\nreturn 1", "return [str(5), len('abc')]"),
    "memory": Pair("x = 'a' * 10_000_000_000\nreturn 1", "return 1", ends="memory"),
    "counter": Pair("c['x'] += 1\nreturn dict(c)", "return dict(c)", "import collections\n\nc = collections.Counter()"),
    "iterator of a table": Pair(
        "next(rows)\nreturn 1", "return list(rows)", "import itertools\n\nrows = itertools.islice(itertools.count(), 3)"
    ),
    "set of time zones": Pair(
        "zones = zoneinfo.available_timezones()\nzones.clear() if hasattr(zones, 'clear') else 0\nreturn 1",
        "return len(zoneinfo.available_timezones()) > 100",
        "import zoneinfo",
    ),
    "parsed address": Pair(
        "found = parse.parse_qs('a=1')\nfound['a'].append('2')\nreturn found",
        "return parse.parse_qs('a=1')",
        "from urllib import parse",
    ),
    "month of a calendar": Pair(
        "found = calendar.monthcalendar(2024, 5)\nfound[0][0] = 99\nreturn found",
        "return calendar.monthcalendar(2024, 5)",
        "import calendar",
    ),
    "facts of the clock": Pair("clock.zone = 5\nreturn 1", "return clock.iso()[-6:]", ends="error"),
    "facts of the phones": Pair("return phones.e164('8 900 123 45 67')", "return phones.e164('8 900 123 45 67')"),
    "text interned": Pair("return ['k' + str(n) for n in range(2000)][-1]", "return 'k' + str(1)"),
}


@dataclass
class Bench:
    """A pool with its event loop."""

    loop: asyncio.AbstractEventLoop
    pool: Pool

    def run(self, site: str, pair: Pair, *turns: str) -> list[tuple[dict[str, Any], str, int]]:
        """
        Run a hook of *pair* as *site*, "leave" or "find" in turn; each gives its answer, what it printed, its worker.

        As in a real site the file is loaded once, so that both are the same compiled program.
        """
        return self.loop.run_until_complete(self._run(site, pair, turns))

    async def _run(self, site: str, pair: Pair, turns: tuple[str, ...]) -> list[tuple[dict[str, Any], str, int]]:
        found: list[tuple[dict[str, Any], str, int]] = []
        load = {"kind": "point", "name": "hook", "file": "hook.py", "source": _source(pair), "libs": LIBS}
        first = [SITE, {"t": "load", "key": "k", **load}]
        for turn in turns:
            document = {"turn": turn, "inner": {"y": 1}}
            run = {"t": "run", "key": "k", "document": document, "settings": {"rates": {"a": 1}}, "now": None}
            deadline = time.monotonic() + RUN_S
            worker = await self.pool.acquire(site, site, deadline)
            try:
                answer, printed = await self.pool.run(worker, [*first, run], deadline)
            finally:
                self.pool.release(worker, site)
            found.append((answer, printed, worker.number))
            first = []
        return found


def _source(pair: Pair) -> str:
    parameters = "request, settings, clock, phones"
    return (
        f"{pair.top}\n\n\n"
        f"def leave({parameters}):\n{indent(pair.leaver, '    ')}\n\n\n"
        f"def find({parameters}):\n{indent(pair.finder, '    ')}\n\n\n"
        f"def hook({parameters}):\n"
        f"    turns = {{'leave': leave, 'find': find}}\n"
        f"    return turns[request['turn']]({parameters})\n"
    )


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A pool with room for a site's worker, and another's."""
    loop = asyncio.new_event_loop()
    pool = Pool(workers_max=4, spares=1)
    loop.run_until_complete(pool.start())
    yield Bench(loop, pool)
    loop.run_until_complete(pool.close())
    loop.close()


@pytest.mark.parametrize("name", PAIRS)
def test_the_second_run_finds_nothing_of_the_first(bench: Bench, name: str) -> None:
    """
    After the leaver, the finder returns and prints what it does in a worker that has run nothing.
    """
    pair = PAIRS[name]
    [(alone, alone_printed, fresh)] = bench.run(f"{name}, fresh", pair, "find")

    (left, _, first), (found, printed, second) = bench.run(f"{name}, warm", pair, "leave", "find")

    assert first == second != fresh
    assert left.get("error", {}).get("code", "ok") == pair.ends, left
    assert "ok" in found, found
    assert (found["ok"], printed) == (alone["ok"], alone_printed)


def test_random_numbers_are_nobody_elses(bench: Bench) -> None:
    """
    Neither a seed nor a fork makes two runs draw the same: in one worker, and in workers of one zygote.
    """
    pair = Pair(
        "random.seed(5)\nreturn random.random()",
        "return [random.random(), str(uuid.uuid4())]",
        "import random\nimport uuid",
    )

    draws = [
        answer["ok"]
        for site in ("random a", "random b", "random c")
        for answer, _, _ in bench.run(site, pair, "leave", "find", "leave", "find", "find")
        if isinstance(answer["ok"], list)
    ]

    assert len(draws) == 9
    assert len({number for number, _ in draws}) == 9
    assert len({token for _, token in draws}) == 9


@pytest.mark.parametrize("name", ["module list", "lib dict", "abandoned cycle", "decimal precision of a generator"])
def test_what_runs_leave_does_not_add_up(bench: Bench, name: str) -> None:
    """
    After hundreds of runs that left something the finder still finds nothing.
    """
    pair = PAIRS[name]
    [(alone, alone_printed, _)] = bench.run(f"{name}, alone", pair, "find")

    *_, (found, printed, _) = bench.run(f"{name}, many", pair, *["leave"] * 300, "find")

    assert (found.get("ok", found), printed) == (alone["ok"], alone_printed)
