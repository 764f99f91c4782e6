"""
Tools that act outside of the sandbox: what a hook calls, what it is told, and what a hostile worker gets.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from hookd.errors import ToolFailedError
from hookd.points import POINTS
from hookd.runs import Run
from hookd.sandbox import signatures, wire
from hookd.sandbox.pool import End, Pool, RunEnded
from hookd.sandbox.pure.phones import Phones, tail
from hookd.settings import SiteSettings
from hookd.tools import Broker, Call, Ground, Method, ToolCall, Tools, lists
from tests.test_pool import DONE, Taken, with_pool
from tests.test_worker import Loop

POINT = POINTS["process_client_phone"]
HOOK = f"{POINT.name}.py"


def hook(body: str, tools: str = "lists") -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def {POINT.name}(request, {tools}):\n{lines}\n"


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A service whose hooks the tests write."""
    found = Loop(tmp_path_factory.mktemp("service"), timeout_s=20)
    yield found
    found.close()


def save_list(loop: Loop, name: str, text: str | bytes) -> Path:
    path = loop.directory / "hooks" / "lists" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def told(run: Run) -> str:
    """The error of *run*, as people read it, without what the call got instead."""
    assert run.error is not None, run.reply
    return str(run.error).replace(f" {run.error.kept}", "")


def test_a_list_is_asked(loop: Loop) -> None:
    """
    A hook asks a list of its site, and goes on with the answer; the call is in the record of the run.
    """
    save_list(loop, "vip.txt", "# our best\n8 (900) 123-45-67  # Ivanov\n\n*97\n#31#\n")

    run = loop.run(hook("return {'phone': 'vip' if lists.contains('vip', '+79001234567') else 'other'}"))

    assert (run.outcome, run.reply["data"]) == ("ok", {"phone": "vip"})
    assert [(call.name, call.error, call.pretended) for call in run.calls] == [("lists.contains vip", "", None)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+79001234567", True),
        (79001234567, True),
        ("8 900 123 45 67", True),
        ("+79001234568", False),
        ("*97", True),
        ("97", False),
        ("#31#", True),
        ("Ivanov", False),
        ("", False),
        (None, False),
    ],
)
def test_numbers_are_compared_as_phones_does(loop: Loop, number: Any, expected: bool) -> None:
    """
    A list contains a number however it is written, keys such as * and # count, comments are none.
    """
    save_list(loop, "vip.txt", "# our best\n8 (900) 123-45-67  # Ivanov\n\n*97\n#31#\n")

    run = loop.run(hook(f"return {{'phone': str(lists.contains('vip', {number!r}))}}"))

    assert run.reply["data"] == {"phone": str(expected)}, run.error


@pytest.mark.parametrize(
    ("text", "call", "expected"),
    [
        ("number,owner\n+79001234567,17\n101,18\n", "lists.lookup('owners', '89001234567')", "17"),
        ("number;owner;note\r\n101;18;\r\n", "lists.lookup('owners', 101)", {"owner": "18", "note": ""}),
        ("number,owner\n101,18\n", "lists.lookup('owners', 102)", None),
        ("number,owner\n101,18\n", "lists.lookup('owners', 102, default=[1])", [1]),
        ("number,owner\n101,18\n101,19\n", "lists.lookup(name='owners', key='101')", "18"),
        ("trunk,owner\nMango-1,18\n", "lists.lookup('owners', 'MANGO-1')", "18"),
        ('number,owner\n101,"a ""b"", c"\n', "lists.lookup('owners', 101)", 'a "b", c'),
        ("\ufeffnumber,owner\n101,18\n", "lists.contains('owners', 101)", True),
    ],
)
def test_tables_have_values(loop: Loop, text: str, call: str, expected: Any) -> None:
    """
    In a CSV file the first column is the key; of two columns the second is the value, of more a dict by header.
    """
    save_list(loop, "owners.csv", text)

    run = loop.run(hook(f"import json\nreturn {{'phone': json.dumps({call})}}"))

    assert run.outcome == "ok", run.error
    assert json.loads(run.reply["data"]["phone"]) == expected


NUMBERS = st.sampled_from(["", "+7", "8", "007", "7", "*", "(343) ", "Mango-"]).flatmap(
    lambda start: st.text("0123456789 -()*#ая٣", max_size=12).map(lambda rest: start + rest)
)


@settings(deadline=None)
@given(a=NUMBERS, b=NUMBERS)
def test_the_same_numbers_have_the_same_tail(a: str, b: str) -> None:
    """
    What a list looks a number up by leaves none of its writings out.
    """
    phones = Phones("RU", "343")

    for one, other in ((a, b), (a, a.strip()), (a, phones.e164(a) or a), (a, phones.national(a) or a)):
        if phones.same(one, other):
            assert tail(one) == tail(other)


def test_a_changed_list_counts_at_once(loop: Loop) -> None:
    """
    No reload is needed for a list.
    """
    save_list(loop, "vip.txt", "101\n")
    source = hook("return {'phone': str(lists.contains('vip', '102'))}")

    before = loop.run(source)
    save_list(loop, "vip.txt", "101\n102\n")
    after = loop.run(source)

    assert (before.reply["data"], after.reply["data"]) == ({"phone": "False"}, {"phone": "True"})


def test_a_long_list_is_no_burden(loop: Loop) -> None:
    """
    Among 100,000 numbers one is found without reading them all as numbers: 50 questions fit into a run.
    """
    save_list(loop, "many.txt", "".join(f"+7900{number:07}\n" for number in range(100_000)))
    body = "found = [lists.contains('many', f'8900{n:07}') for n in range(99_975, 100_025)]\n"

    loop.run(hook(body))  # reads it
    run = loop.run(hook(body + "return {'phone': str(sum(found))}"))

    assert run.reply["data"] == {"phone": "25"}, run.error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "name = 'vips'\nlists.contains(name, 1)",
            f"{HOOK}:3: lists.contains: there is no list vips; did you mean vip? "
            "It is a file hooks/lists/NAME.txt or NAME.csv. Lists: latin, twins, vip. [error]",
        ),
        (
            "lists.contains('../vip'[1:], 1)",
            f"{HOOK}:2: lists.contains: there is no list ./vip; did you mean vip? "
            "It is a file hooks/lists/NAME.txt or NAME.csv. Lists: latin, twins, vip. [error]",
        ),
        (
            "lists.contains('twins', 1)",
            f"{HOOK}:2: lists.contains: there are two lists twins: twins.csv and twins.txt. "
            "Remove one, or give it another name. [error]",
        ),
        (
            "lists.contains('latin', 1)",
            f'{HOOK}:2: lists/latin.txt:2 is not UTF-8. Save it as UTF-8; in a spreadsheet as "CSV UTF-8". [error]',
        ),
        (
            "lists.lookup('vip', 1)",
            f"{HOOK}:2: lists.lookup: the list vip has keys and no values. "
            "Write lists.contains('vip', …), or make it a vip.csv with a second column. [error]",
        ),
        (
            "lists.contains('vip')",
            f"{HOOK}:2: lists.contains is called without number. Write lists.contains(name, number). [error]",
        ),
        (
            "lists.lookup('vip', 1, defualt=2)",
            f"{HOOK}:2: lists.lookup has no defualt; did you mean default? "
            "Write lists.lookup(name, key, default=None). [error]",
        ),
        (
            "lists.lookup('vip', 1, key=2)",
            f"{HOOK}:2: lists.lookup is given key twice. Write lists.lookup(name, key, default=None). [error]",
        ),
        (
            "lists.lookup('vip', 1, 2, 3)",
            f"{HOOK}:2: lists.lookup takes 3 values at most, not 4. Write lists.lookup(name, key, default=None). "
            "[error]",
        ),
        (
            "lists.contains('vip', True)",
            f"{HOOK}:2: lists.contains: number is text or an integer or None, not bool. "
            "Write lists.contains(name, number). [error]",
        ),
        (
            "name = ''\nlists.contains(name, 1)",
            f"{HOOK}:3: lists.contains: name is text from 1 to 100 characters. "
            "Write lists.contains(name, number). [error]",
        ),
        (
            "lists.lookup('vip', 1, {'a': {1}})",
            f"{HOOK}:2: lists.lookup: default.a: a value of type set is no plain data. Write sorted(value). [error]",
        ),
        (
            "lists.lookup('vip', 1, list(range(200_000)))",
            f"{HOOK}:2: lists.lookup: default.199996: this is more than 200000 values. "
            "Hand over texts, numbers, lists and dicts. [error]",
        ),
        (
            "lists.lookup('vip', 1, [9_000_000_000_000_000_000] * 100_000)",
            f"{HOOK}:2: lists.lookup: what is handed over is more than 1048576 bytes. Hand over less. [error]",
        ),
        (
            "lists.add('vip', 1)",
            f"{HOOK}:2: AttributeError: a Lists has no attribute add. It has: contains, lookup. [error]",
        ),
        (
            "for n in range(51):\n    lists.contains('vip', n)",
            f"{HOOK}:3: lists.contains: a run makes 50 calls at most. "
            "Ask for several things at once, or keep what you have asked for in a variable. [error]",
        ),
    ],
)
def test_errors_teach(loop: Loop, body: str, message: str) -> None:
    """
    What cannot work is told with file, line, what is allowed and what to write.
    """
    for path in (loop.directory / "hooks" / "lists").glob("*"):
        path.unlink()
    save_list(loop, "vip.txt", "101\n")
    save_list(loop, "twins.txt", "101\n")
    save_list(loop, "twins.csv", "a,b\n")
    save_list(loop, "latin.txt", b"101\n\xff\n")

    run = loop.run(hook(body))

    assert told(run) == message
    assert run.reply["data"] == {"phone": "1"}


def test_a_hook_may_go_on_after_an_error(loop: Loop) -> None:
    """
    An error of a tool is an ordinary exception; the record of the run has it all the same.
    """
    body = "name = 'nobody'\ntry:\n    lists.contains(name, 1)\nexcept Exception as error:\n    print(error)\n"

    run = loop.run(hook(f"{body}return {{'phone': '2'}}"))

    assert run.reply["data"] == {"phone": "2"}
    assert run.printed.startswith("lists.contains: there is no list nobody")
    assert [bool(call.error) for call in run.calls] == [True]


def test_a_list_that_is_named_has_to_be_there(loop: Loop) -> None:
    """
    A missing list is a load error where the hook names it literally, and none any more once it is there.
    """
    save_list(loop, "vip.txt", "101\n")
    source = hook("return {'phone': str(lists.contains('vips', request['phone']))}")

    missing = loop.run(source)
    save_list(loop, "vips.txt", "1\n")
    there = loop.run(source)
    (loop.directory / "hooks" / "lists" / "vips.txt").unlink()

    assert missing.reason == "load"
    assert told(missing) == (
        f"{HOOK}:2: there is no list 'vips'; did you mean vip? It is a file hooks/lists/NAME.txt or NAME.csv. "
        f"Lists: {', '.join(sorted(path.stem for path in (loop.directory / 'hooks/lists').iterdir()))}. [load]"
    ).replace("latin, twins, twins, vip", "latin, twins, vip")
    assert there.reply["data"] == {"phone": "True"}


def test_lists_that_cannot_be_read_are_found(tmp_path: Path) -> None:
    """
    What is wrong with a list is told by `hookd check`, before a call finds it.
    """
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "fine.txt").write_text("101\n")
    (folder / "latin.txt").write_bytes(b"101\n\xff")
    (folder / "one.csv").write_text("number\n101\n")
    (folder / "quoted.csv").write_text('a,b\n"1"2,3\n')
    (folder / "twins.csv").write_text("a,b\n")
    (folder / "twins.txt").write_text("101\n")

    assert list(map(str, lists.problems(tmp_path))) == [
        'lists/latin.txt:2: is not UTF-8. Save it as UTF-8; in a spreadsheet as "CSV UTF-8".',
        "lists/one.csv: has fewer than two columns. "
        "Its first line names the columns, with commas between; numbers alone are a .txt.",
        "lists/quoted.csv: is no CSV: ',' expected after '\"'. Quotes are doubled inside of quotes.",
        "lists/twins.csv: twins.txt is a list twins, too. Remove one, or rename it.",
    ]


def test_nothing_is_called_after_the_run(loop: Loop) -> None:
    """
    A generator that a run leaves behind is finalized, but its tools are gone.
    """
    save_list(loop, "vip.txt", "101\n")
    body = (
        "def later():\n    try:\n        yield 1\n    finally:\n        lists.contains('vip', 1)\n"
        "one = later()\nnext(one)\nkept = [one]\nkept.append(kept)\nreturn {'phone': '2'}"
    )

    run = loop.run(hook(body))
    after = loop.run(hook("return {'phone': str(lists.contains('vip', 101))}"))

    assert (run.reply["data"], run.calls) == ({"phone": "2"}, [])
    assert after.reply["data"] == {"phone": "True"}


def test_metrics_know_the_tools(loop: Loop) -> None:
    """
    Calls are counted by tool and outcome.
    """
    save_list(loop, "vip.txt", "101\n")
    labels = {"tool": "lists", "outcome": "ok"}
    before = REGISTRY.get_sample_value("hookd_tool_seconds_count", labels) or 0

    loop.run(hook("lists.contains('vip', 1)"))

    assert REGISTRY.get_sample_value("hookd_tool_seconds_count", labels) == before + 1


# --- the protocol, and what hangs --------------------------------------------------------------------------------

GROUND = Ground(
    "a", Path("/nonexistent"), Path("/nonexistent/hooks"), SiteSettings("UTC", "RU", "", {}, (), (), "off", "masked")
)
CALL = {"t": "call", "id": 1, "tool": "lists", "method": "contains", "arguments": {"name": "vip", "number": 1}}


def broker(do: Callable[[Call], Any]) -> Broker:
    """A broker with one tool, which does *do*."""
    methods = dict.fromkeys(signatures.SIGNATURES["lists"], Method(do, lambda arguments: str(arguments["name"])))
    return Broker(Tools({"lists": methods}))


HOSTILE_CALLS: Mapping[str, list[dict[str, Any]]] = {
    "an id that is out of turn": [{**CALL, "id": 2}],
    "an id that is none": [{**CALL, "id": True}],
    "another key": [{**CALL, "site": "b"}],
    "a missing key": [{key: value for key, value in CALL.items() if key != "arguments"}],
    "a tool that is none": [{**CALL, "tool": ["lists"]}],
    "a tool that the hook does not name": [{**CALL, "tool": "http"}],
    "a method that there is not": [{**CALL, "method": "__init__"}],
    "a missing argument": [{**CALL, "arguments": {"name": "vip"}}],
    "one argument too many": [{**CALL, "arguments": {"name": "vip", "number": 1, "site": "b"}}],
    "an argument of another type": [{**CALL, "arguments": {"name": ["vip"], "number": 1}}],
    "a true number": [{**CALL, "arguments": {"name": "vip", "number": True}}],
    "arguments that are none": [{**CALL, "arguments": []}],
    "arguments beyond the limit": [{**CALL, "arguments": {"name": "vip", "number": "1" * 1_100_000}}],
    "two at once": [CALL, {**CALL, "id": 2}],
    "an end before the answer": [CALL, DONE],
}


@pytest.mark.parametrize("name", HOSTILE_CALLS)
def test_hostile_calls_end_the_worker(name: str) -> None:
    """
    What an honest worker never asks for is a violation: it ends, and whatever was begun for it is given up.
    """

    async def work(pool: Pool) -> None:
        tools = broker(lambda call: release.wait(5))
        release = threading.Event()
        calls = tools.begin(GROUND, ["lists"], time.monotonic() + 5, None)
        taken = Taken(pool)
        run = asyncio.create_task(pool.run(taken.worker, [{"t": "run"}], time.monotonic() + 5, calls.begin))
        await asyncio.sleep(0)
        for message in HOSTILE_CALLS[name]:
            await taken.send(wire.pack(message))
        with pytest.raises(RunEnded) as caught:
            await run
        calls.close()
        release.set()
        tools.close()
        assert caught.value.end is End.VIOLATION
        assert len(calls.made) == len(HOSTILE_CALLS[name]) - 1
        taken.theirs.close()
        pool._forget(taken.worker, 0)

    with_pool(work)


def test_the_51st_call_ends_the_worker() -> None:
    """
    An honest worker says no by itself; one that goes on is taken over.
    """

    async def work(pool: Pool) -> None:
        tools = broker(lambda call: True)
        calls = tools.begin(GROUND, ["lists"], time.monotonic() + 5, None)
        taken = Taken(pool)
        run = asyncio.create_task(pool.run(taken.worker, [{"t": "run"}], time.monotonic() + 5, calls.begin))
        await asyncio.sleep(0)
        reader = wire.Reader()
        loop = asyncio.get_running_loop()
        answers: list[Any] = []
        await loop.sock_recv(taken.theirs, 65_536)  # the run
        for number in range(1, 52):
            await taken.send(wire.pack({**CALL, "id": number}))
            if number < 51:
                answers += map(json.loads, reader.feed(await loop.sock_recv(taken.theirs, 65_536)))
        with pytest.raises(RunEnded) as caught:
            await run
        tools.close()
        assert answers == [{"t": "answer", "id": number, "value": True} for number in range(1, 51)]
        assert (caught.value.end, len(calls.made)) == (End.VIOLATION, 50)
        taken.theirs.close()
        pool._forget(taken.worker, 0)

    with_pool(work)


def ask(do: Callable[[Call], Any], *, seconds: float = 5.0) -> tuple[dict[str, Any] | None, list[ToolCall]]:
    """The answer to CALL where the tool does *do* within a run of so many *seconds*, and the record."""

    async def work() -> tuple[dict[str, Any] | None, list[ToolCall]]:
        tools = broker(do)
        calls = tools.begin(GROUND, ["lists"], time.monotonic() + seconds, None)
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        calls.begin(CALL, answered.set_result)
        try:
            frame = await asyncio.wait_for(answered, seconds)
        except TimeoutError:
            frame = b""
        calls.close()
        tools.close()
        return (json.loads(frame[4:]) if frame else None), calls.made

    return asyncio.run(work())


def test_what_a_tool_could_not_do_is_told() -> None:
    """
    The hook gets message and remedy; our own mistakes are told without what they were.
    """

    def refuse(call: Call) -> None:
        raise ToolFailedError("no such thing.", "Ask for another.")

    def fail(call: Call) -> None:
        raise KeyError("canary")

    refused, failed, large = ask(refuse), ask(fail), ask(lambda call: "x" * 5_000_000)

    assert refused[0] == {"t": "answer", "id": 1, "error": {"message": "no such thing.", "remedy": "Ask for another."}}
    assert failed[0] == {
        "t": "answer",
        "id": 1,
        "error": {"message": "lists.contains: hookd itself failed.", "remedy": "See its log."},
    }
    assert large[0] == {
        "t": "answer",
        "id": 1,
        "error": {
            "message": "lists.contains vip: the answer is more than 4194304 bytes as JSON.",
            "remedy": "Ask for less at a time.",
        },
    }
    assert [made[0].error for _, made in (refused, failed, large)] == [
        "no such thing. Ask for another.",
        "lists.contains: hookd itself failed. See its log.",
        "lists.contains vip: the answer is more than 4194304 bytes as JSON. Ask for less at a time.",
    ]


def test_a_run_that_ends_gives_its_call_up() -> None:
    """
    The tool's waiting is ended from outside; nothing is answered any more, and the record says so.
    """
    shut = threading.Event()

    def hang(call: Call) -> None:
        call.on_abort(shut.set)
        shut.wait(10)

    answer, made = ask(hang, seconds=0.2)

    assert answer is None
    assert shut.is_set()
    assert [(call.name, call.error) for call in made] == [("lists.contains vip", "the run ended before the answer")]


def test_who_comes_too_late_is_shut_at_once() -> None:
    """
    A socket that is opened after the call was given up does not stay open.
    """
    call = Call(GROUND, "lists", "contains", {}, 0.0)
    shut = threading.Event()

    call.abort()
    call.on_abort(shut.set)

    assert shut.is_set()


def test_lingering_threads_are_bounded() -> None:
    """
    However many calls hang, there are so many threads and no more; what waits behind them is dropped when given up.
    """

    async def work() -> None:
        release, begun = threading.Event(), []

        def hang(call: Call) -> None:
            begun.append(call)
            release.wait(10)

        tools = broker(hang)
        runs = [tools.begin(GROUND, ["lists"], time.monotonic() + 5, None) for _ in range(100)]
        for run in runs:
            run.begin(CALL, lambda frame: None)
        while len(begun) < 32:
            await asyncio.sleep(0.01)
        for run in runs:
            run.close()
        release.set()
        tools.close()
        assert len(begun) == 32

    before = set(threading.enumerate())
    asyncio.run(work())
    while set(threading.enumerate()) - before:  # on a busy machine some are still about to end
        time.sleep(0.01)


def test_a_timeout_names_the_tool(loop: Loop) -> None:
    """
    A run that was killed while it waited says for what.
    """
    release = threading.Event()
    tools = loop.service.broker.tools
    hang = Method(lambda call: release.wait(5), _name)
    loop.service.broker.tools = Tools({"lists": {"contains": hang}})
    save_list(loop, "vip.txt", "101\n")
    try:
        run = loop.run(hook("lists.contains('vip', 1)"), limit_s=1.0)
    finally:
        loop.service.broker.tools = tools
        release.set()

    text = re.sub(r"\d\.\d\d s", "N s", told(run))
    assert text == (
        f"{HOOK}: stopped at its limit of 1 s ([points.process_client_phone] timeout_s); N s went into "
        "lists.contains vip. Give the point a longer timeout_s. [timeout]"
    )
    assert loop.run(hook("return {'phone': str(lists.contains('vip', 101))}")).reply["data"] == {"phone": "True"}


def _name(arguments: Mapping[str, Any]) -> str:
    return str(arguments["name"])
