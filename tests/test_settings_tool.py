"""
`settings` hands a hook its own table, and says where a missing key belongs.
"""

import doctest
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hookd.sandbox.pure import ToolError
from hookd.sandbox.pure.clock import Clock
from hookd.sandbox.pure.phones import Phones
from hookd.sandbox.pure.settings import Settings

ROOT = Path(__file__).parents[1]
TOOLS_PAGE = ROOT / "docs" / "tools.md"


def settings() -> Settings:
    return Settings({"owner_by_trunk": {"73432723033": 17}, "watchers": [5, 6], "quiet": None}, "process_final_params")


def test_reads_like_a_dict() -> None:
    """
    Brackets, get, in, len, for, keys, values and items are those of a dict.
    """
    table = settings()

    assert table["watchers"] == [5, 6]
    assert table.get("watchers") == [5, 6]
    assert (table.get("quiet", 1), table.get("loud"), table.get("loud", 1)) == (None, None, 1)
    assert ("quiet" in table, "loud" in table, 5 in table, len(table)) == (True, False, False, 3)
    assert list(table) == table.keys() == ["owner_by_trunk", "watchers", "quiet"]
    assert table.values() == [{"73432723033": 17}, [5, 6], None]
    assert dict(table) == dict(table.items())
    assert repr(table) == "settings of [process_final_params]: owner_by_trunk, watchers, quiet"


def test_a_missing_key_is_explained() -> None:
    """
    Who asks for a key that is not there learns the file, the table, the names there, and the nearest of them.
    """
    with pytest.raises(ToolError) as caught:
        settings()["owner_by_trunks"]

    assert caught.value.message == "settings has no key 'owner_by_trunks'."
    assert caught.value.remedy == (
        "Did you mean 'owner_by_trunk'? Write it in hooks/settings.toml under [process_final_params], "
        "or use settings.get('owner_by_trunks', …). Keys there: owner_by_trunk, quiet, watchers."
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "settings has no key 3."),
        (None, "settings has no key of type NoneType."),
        (["a"], "settings has no key of type list."),
        ("k" * 100, f"settings has no key '{'k' * 60}…'."),
        pytest.param(10**5000, "settings has no key of type int.", id="an integer that Python does not print"),
    ],
)
def test_odd_keys_are_explained_too(key: object, message: str) -> None:
    """
    A key of any type and length is refused in one short sentence; get gives the default.
    """
    empty = Settings({}, "need_registration")

    with pytest.raises(ToolError) as caught:
        empty[key]  # type: ignore[index]

    assert caught.value.message == message
    assert caught.value.remedy.endswith("Keys there: none.")
    assert empty.get(key, "default") == "default"  # type: ignore[arg-type]


def test_long_tables_are_not_listed_whole() -> None:
    """
    The message names twenty keys, and how many more there are.
    """
    with pytest.raises(ToolError) as caught:
        Settings({f"key_{n:03}": n for n in range(100)}, "all")["x"]

    assert caught.value.remedy.endswith("key_018, key_019 and 80 more.")


def test_what_a_hook_changes_is_its_own() -> None:
    """
    Values are copies: no change reaches the table, another reading, or the next run.
    """
    written = {"owners": {"101": [5]}, "watchers": [{"id": 5}]}
    table = Settings(written, "process_final_params")

    table["owners"]["101"].append(6)
    table.get("watchers")[0]["id"] = 6
    table.values()[0].clear()
    dict(table.items())["watchers"].clear()
    table.keys().clear()

    assert written == {"owners": {"101": [5]}, "watchers": [{"id": 5}]}
    assert dict(table) == written


def test_public_names_are_methods() -> None:
    """
    A hook reaches what a dict has for reading, and no more.
    """
    assert {"get", "keys", "values", "items"} == Settings.PUBLIC
    assert {name for name in dir(Settings) if not name.startswith("_")} == Settings.PUBLIC | {"PUBLIC"}
    with pytest.raises(TypeError):
        settings()["watchers"] = []  # type: ignore[index]


def test_examples_of_the_documentation() -> None:
    """
    What docs/tools.md shows is what the tools do.
    """
    names = {
        "phones": Phones("RU", "343"),
        "clock": Clock(
            ZoneInfo("Europe/Moscow"),
            {"mon-fri": "09:00-18:00", "sat": "10:00-14:00"},
            ["2025-05-09"],
            datetime.fromisoformat("2025-05-08T17:30:00+03:00"),
        ),
        "settings": Settings({"owner_by_trunk": {"73432723033": 17}, "urgent": ["+79001234567"]}, "need_registration"),
    }
    computing = TOOLS_PAGE.read_text("utf-8").partition("## Tools that are called")[0]  # the others: test_tools_page
    text = computing.replace("```", "\n")  # a fence would be read as output of the line above it
    page = doctest.DocTestParser().get_doctest(text, names, "tools.md", str(TOOLS_PAGE), 0)
    report: list[str] = []

    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(page, out=report.append)

    assert "".join(report) == ""
    assert result.attempted > 20


def test_a_run_opens_no_file() -> None:
    """
    Once warmed up, the tools work where no file can be opened and no module imported.
    """
    script = """
import sys
from zoneinfo import ZoneInfo
from hookd.sandbox.pure import ToolError
from hookd.sandbox.pure.call import Call
from hookd.sandbox.pure.clock import Clock
from hookd.sandbox.pure.phones import Phones
from hookd.sandbox.pure.settings import Settings

zone = ZoneInfo("Europe/Moscow")
Phones.warm_up()
sys.addaudithook(lambda event, facts: sys.exit(f"{event} {facts}") if event in ("open", "import") else None)
phones = Phones("RU", "343")
print([phones.e164(n) for n in ("89001234567", "004930901820", "+81 3 1234 5678", "2723033", "101")])
clock = Clock(zone, {"mon-fri": "09:00-18:00"}, ["2025-01-01"], None)
print(clock.is_working("2025-01-01 12:00"), clock.next_working(600) > clock.now())
call = Call({"CALL_START_DATE": "2025-01-01 10:00:00"}, zone)
print(call.started_at, [getattr(call, name) for name in sorted(Call.PUBLIC)][0])
try:
    Settings({"one": 1}, "all")["on"]
except ToolError as error:
    print(error.message)
"""

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr, done.stdout.splitlines()) == (
        0,
        "",
        [
            "['+79001234567', '+4930901820', '+81312345678', '+73432723033', None]",
            "False True",
            "2025-01-01 10:00:00+03:00 False",
            "settings has no key 'on'.",
        ],
    )


@pytest.mark.parametrize(("name", "tool"), [("phones", Phones), ("clock", Clock), ("settings", Settings)])
def test_every_method_is_documented(name: str, tool: type[Phones | Clock | Settings]) -> None:
    """
    docs/tools.md has a row for every method that a hook may call.
    """
    page = TOOLS_PAGE.read_text("utf-8")

    assert [method for method in sorted(tool.PUBLIC) if f"| `{name}.{method}(" not in page] == []
