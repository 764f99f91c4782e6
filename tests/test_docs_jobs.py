"""
docs/jobs.md: its commands work as they stand, its tables say what the code does.

`python -m tests.test_docs_jobs` rewrites the table of settings.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hookd import alerts, jobs
from hookd.doctor.files import NEARLY
from hookd.jobs import DELAY_MAX_S, KEPT_S, PAYLOAD_BYTES, ROW_BYTES, STATES, Jobs
from hookd.sandbox.signatures import SIGNATURES
from hookd.settings import JOB_SETTINGS, SITE_SETTINGS, JobSettings, load
from tests.conftest import ROOT
from tests.test_readme import blocks, quoted, rows, section

PAGE = ROOT / "docs" / "jobs.md"
MADE = re.compile(r"(<!-- settings: .* -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def made() -> str:
    """Return the table of settings."""
    lines = [f"| `{row.name}` | `{row.default:g}` | {row.about} |" for row in JOB_SETTINGS]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *lines])


def first_cells(heading: str, table: int = 0) -> list[str]:
    """Return what the first cells of a table under *heading* quote."""
    tables = re.findall(r"(?:^\|.*\n)+", section(PAGE, heading), flags=re.MULTILINE)
    return [quoted(row[0])[0] for row in rows(tables[table]) if quoted(row[0])]


def test_the_settings_are_those_of_the_code() -> None:
    """
    Every setting of a job is in the table with its default, as a job without settings has it.
    """
    (table,) = [found.group() for found in MADE.finditer(PAGE.read_text("utf-8"))]

    assert made() in table
    assert {row.name: row.default for row in JOB_SETTINGS} == {
        name: getattr(JobSettings(), name) for name in JobSettings.__slots__
    }


def test_the_tables_are_complete() -> None:
    """
    Arguments, keys of a job, states and causes: each has its row, and there is no other.
    """
    assert first_cells("## jobs.enqueue") == [parameter.name for parameter in SIGNATURES["jobs"]["enqueue"]]
    assert first_cells("## The job") == list(jobs.example("x", {}))
    assert first_cells("## Who does them") == list(STATES)
    told = set(re.findall(r'self\.tell\(site, "(\w+)"', Path(alerts.__file__).read_text()))
    assert set(first_cells("## Being told")) == told | alerts.OWN | {"dead", "loop", "full"}


def test_the_limits_are_those_of_the_code() -> None:
    """
    The numbers in the prose are the constants.
    """
    text = " ".join(PAGE.read_text("utf-8").split())
    site = {row.name: row.default for row in SITE_SETTINGS}

    assert f"at most {PAYLOAD_BYTES} bytes" in text
    assert f"from 0 to {DELAY_MAX_S:.0f} (30 days)" in text
    assert KEPT_S == 7 * 86_400
    assert "until 7 days after its end" in text
    assert f"after {JobSettings().attempts_max} failures it is dead" in text
    assert f"room for {site['jobs_waiting_max']} jobs and events that have not ended (`jobs_waiting_max`)" in text
    assert f"{site['jobs_mb_max']} MB of all that are known" in text
    assert f"each counts {ROW_BYTES} bytes more than its payload" in text
    assert f"from {NEARLY * 100:.0f} % on" in text


def test_the_settings_that_are_shown_load(tmp_path: Path) -> None:
    """
    The hookd.toml of the page is taken as it is.
    """
    (shown,) = [block.text for block in blocks(PAGE, "toml") if block.text.startswith("# hookd.toml")]
    (tmp_path / "hookd.toml").write_text(shown)

    found = load(tmp_path / "hookd.toml", tmp_path).site.jobs

    assert found == {"call_back": JobSettings(120.0, 20, 30.0, 7200.0)}


COMMANDS = [line for block in blocks(PAGE, "sh") for line in block.text.splitlines()]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `hookd init` makes, with a payload to try."""
    directory = tmp_path_factory.mktemp("docs") / "site"
    subprocess.run([sys.executable, "-m", "hookd", "init", str(directory)], check=True, capture_output=True)
    (directory / "payload.json").write_text('{"number": "+79001234567"}')
    return directory


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works(installation: Path, command: str) -> None:
    """
    In the order of the page, each command does its work.
    """
    id_ = Jobs(installation / "var").enqueue("default", "call_back", {"number": "1"}).id
    words = [id_ if word == "ID" else word for word in shlex.split(command)]
    assert words[0] == "hookd"

    done = subprocess.run([sys.executable, "-m", *words], cwd=installation, capture_output=True, text=True, timeout=60)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    if "--format json" in command:
        assert [job["name"] for job in json.loads(done.stdout)][-1:] == ["call_back"]


if __name__ == "__main__":
    PAGE.write_text(MADE.sub(lambda found: found[1] + made() + found[2], PAGE.read_text("utf-8")), "utf-8")
