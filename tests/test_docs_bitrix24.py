"""
docs/bitrix24.md: what it says of events is what the code does, and its commands work as they stand.

`python -m tests.test_docs_bitrix24` rewrites the table of settings.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hookd.consumer.brake import RUNS_MAX, WINDOW_S
from hookd.jobs import EVENT, KEPT_S, LOOP, NO_HOOK, NO_SITE, STATES, Jobs
from hookd.points import EVENTS, work_point
from hookd.portal import codes, samples
from hookd.settings import EVENT_SETTINGS, JobSettings, load
from tests.conftest import ROOT
from tests.test_readme import blocks, quoted, rows, section

EVENT_TIMEOUT_S = work_point(EVENTS, "other").timeout_s
PAGE = ROOT / "docs" / "bitrix24.md"
MADE = re.compile(r"(<!-- settings: .* -->\n).*?(\n<!-- end -->)", re.DOTALL)


def made() -> str:
    """Return the table of settings."""
    lines = [f"| `{row.name}` | `{row.default:g}` | {row.about} |" for row in EVENT_SETTINGS]
    return "\n".join(["", "| setting | default | meaning |", "|---|---|---|", *lines, ""])


def first_cells(text: str) -> list[str]:
    """Return what the first cells of the tables in *text* quote."""
    return [quoted(row[0])[0] for row in rows(text) if quoted(row[0])]


def test_the_settings_are_those_of_the_code() -> None:
    """
    Every setting of a hook of events is in the table with its default, as one without settings has it.
    """
    [table] = [found.group() for found in MADE.finditer(PAGE.read_text("utf-8"))]

    assert made() in table
    assert {row.name: row.default for row in EVENT_SETTINGS} == {
        name: getattr(JobSettings(timeout_s=EVENT_TIMEOUT_S), name) for name in JobSettings.__slots__
    }


def test_the_tables_are_complete() -> None:
    """
    Keys of an event, ids of recurring deals, and states: each has its row, and there is no other.
    """
    text = section(PAGE, "## Events")
    keys = text.partition("`event` is a plain dict")[2].partition("Only ids")[0]
    ids = text.partition("**recurring deals**")[2].partition("###")[0]
    expose = samples.sample("crm_deal_recurring", "oncrmdealrecurringexpose")

    assert first_cells(keys) == list(expose)
    assert first_cells(ids) == list(expose["fields"])
    writing = text.partition("### Writing and looking")[2]
    assert first_cells(writing) == list(STATES)
    told = {word for row in rows(writing) for word in quoted(row[-1])}
    assert told == {NO_HOOK, LOOP, NO_SITE}


def test_the_limits_are_those_of_the_code() -> None:
    """
    The numbers in the prose are the constants.
    """
    text = " ".join(PAGE.read_text("utf-8").split())

    assert f"takes longer than {work_point(EVENTS, 'other').timeout_s:g} s" in text
    assert f"after {JobSettings().attempts_max} failures the event is dead" in text
    assert f"after {RUNS_MAX} runs in {WINDOW_S:g} s" in text
    assert KEPT_S == 7 * 86_400
    assert f"each of the {len(codes.events())} events" in text


def test_the_settings_that_are_shown_load(tmp_path: Path) -> None:
    """
    The hookd.toml of the page is taken as it is.
    """
    [shown] = [block.text for block in blocks(PAGE, "toml") if "[events.crm_deal]" in block.text]
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hookd.toml").write_text(shown)

    assert load(tmp_path / "hookd.toml", tmp_path).site.events == {"crm_deal": JobSettings(60.0, 20)}


COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `hookd init` makes."""
    directory = tmp_path_factory.mktemp("docs") / "site"
    subprocess.run([sys.executable, "-m", "hookd", "init", str(directory)], check=True, capture_output=True)
    return directory


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(installation: Path, command: str) -> None:
    """
    In the order of the page, each command does its work.
    """
    event = samples.sample("crm_lead", "oncrmleadadd")
    lane = "0f3d/crm_lead:365"
    about = {"event": event, "object": lane}
    id_ = Jobs(installation / "var").enqueue("default", "crm_lead", about, kind=EVENT, lane=lane).id
    words = [id_ if word == "ID" else word for word in shlex.split(command)]
    assert words[0] == "hookd"

    done = subprocess.run([sys.executable, "-m", *words], cwd=installation, capture_output=True, text=True, timeout=60)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


if __name__ == "__main__":
    PAGE.write_text(MADE.sub(lambda found: found[1] + made() + found[2], PAGE.read_text("utf-8")), "utf-8")
