"""
The `hookd` command, as people and scripts use it: a process, its output and its exit code.
"""

import json
import os
import platform
import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hookd import __version__, cases, samples, scaffold, settings
from hookd.cli import junit
from hookd.cli import points as points_command
from hookd.errors import Problem, SampleError
from hookd.points import POINTS, work_point

COMMAND_S = 120.0

PHONE_HOOK = """\
def process_client_phone(request, settings):
    print("asked about", request["phone"])
    if settings.get("outside_line"):
        return {"phone": request["phone"][1:]}
"""


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    """A directory with hooks, in which commands are run."""

    directory: Path

    def write(self, name: str, content: Any) -> Path:
        """Write a file: text, bytes, or JSON."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def hookd(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        process = subprocess.run(
            [sys.executable, "-m", "hookd", *arguments],
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            timeout=COMMAND_S,
            env={**os.environ, "HOOKD_CONFIG": "", **environment},
        )
        return Ended(process.returncode, process.stdout.decode(), process.stderr.decode())

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.directory)): path.read_text()
            for path in sorted(self.directory.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "hooks").mkdir()
    return Place(tmp_path)


def times_hidden(text: str) -> str:
    return re.sub(r"\d+\.\d+ ms", "N ms", text)


# ---- usage -----------------------------------------------------------------------------------------------------

POINT_NAMES = ", ".join(POINTS)


@pytest.mark.parametrize("command", ["new", "run", "samples"])
def test_unknown_point_is_usage_and_teaches(place: Place, command: str) -> None:
    """
    Whoever mistypes a point is told the nearest right name and all others.
    """
    ended = place.hookd(command, "proces_client_phone")

    said = f"there is no point 'proces_client_phone'; did you mean process_client_phone? Points: {POINT_NAMES}"
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == f"hookd {command}: error: argument HOOK: {said}"


@pytest.mark.parametrize(
    "command", ["run process_client_phone", "check", "test", "new process_client_phone", "simulate missed"]
)
def test_missing_settings_and_sites_are_usage(tmp_path: Path, command: str) -> None:
    """
    A command that finds no hooks says where it looked, and starts nothing.
    """
    place = Place(tmp_path)
    nowhere = place.hookd(*command.split())
    named = place.hookd(*command.split(), "--config", "no.toml")
    place.write("hookd.toml", 'hooks = "hoooks"\n')
    without_hooks = place.hookd(*command.split())
    place.write("hookd.toml", 'state = 5\n[site]\nzone = "UTC"\n')
    wrong = place.hookd(*command.split())
    (tmp_path / "hooks").mkdir()
    place.write("hookd.toml", "")
    place.write("sites/acme/hooks/.keep", "")
    stranger = place.hookd(*command.split(), "--site", "acmee")

    assert [ended.code for ended in (nowhere, named, without_hooks, wrong, stranger)] == [2] * 5
    assert nowhere.err == (
        f"hookd: no hookd.toml in {tmp_path} or /etc/hookd, and no hooks/ here: "
        "name one with --config or HOOKD_CONFIG, or make one with `hookd init DIR`\n"
    )
    assert named.err == "hookd: no.toml: there is no such settings file; `hookd init DIR` makes one\n"
    assert without_hooks.err.startswith(f"hookd: {tmp_path}/hoooks: there is no such directory; ")
    assert [line.partition(f"{tmp_path}/hookd.toml: ")[0] for line in wrong.err.splitlines()] == ["hookd: "] * 2
    assert stranger.err == "hookd: there is no site 'acmee'; did you mean acme? Sites: default, acme\n"


def test_no_command_leaves_a_process_or_state_behind(place: Place) -> None:
    """
    Ctrl-C ends a command and its sandbox; nothing is written beside the hooks.
    """
    place.write("hooks/process_record_file_path.py", "def process_record_file_path(request):\n    while True: pass\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "hookd", "run", "process_record_file_path"],
        cwd=place.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_until(lambda: any(is_busy(pid) for pid in below(process.pid)), "the hook runs")
    family = below(process.pid)

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=COMMAND_S)

    assert (process.returncode, out, err) == (130, b"", b"")
    assert len(family) >= 2
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "the sandbox is gone")
    assert list(place.files()) == ["hooks/process_record_file_path.py"]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + COMMAND_S
    while not is_so():
        assert time.monotonic() < end, f"{what}: not within {COMMAND_S} s"
        time.sleep(0.02)


def below(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [lower for child in children for lower in below(child)]


def is_busy(pid: int) -> bool:
    """Whether the process has had a second of the processor: no start of anything takes that."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[11]) / os.sysconf("SC_CLK_TCK") > 1.0


def test_output_is_utf8_in_any_locale_and_survives_a_closed_pipe(place: Place) -> None:
    """
    `hookd samples … | head` ends quietly, and JSON is UTF-8 whatever the terminal speaks.
    """
    name = "Алексей Петров"
    ended = place.hookd("samples", "process_client_phone", "incoming", PYTHONIOENCODING="ascii", LC_ALL="C")
    process = subprocess.Popen(
        [sys.executable, "-m", "hookd", "samples", "process_client_phone", "incoming"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()

    assert (ended.code, name in ended.out) == (0, True)
    assert (process.wait(COMMAND_S), err) == (0, b"")


# ---- version, points, samples ----------------------------------------------------------------------------------


def test_version_names_what_a_report_needs(place: Place) -> None:
    """
    Versions come as lines for people and as JSON for programs.
    """
    found = {
        "hookd": __version__,
        "python": platform.python_version(),
        "restrictedpython": metadata.version("RestrictedPython"),
        "kernel": platform.release(),
    }

    assert place.hookd("version", "--format", "json").json() == found
    lines = place.hookd("version").out.splitlines()
    assert [tuple(line.split()) for line in lines] == list(found.items())


@pytest.mark.parametrize("more", [[], ["--format", "json"]])
def test_version_is_an_option_too(place: Place, more: list[str]) -> None:
    """
    `hookd --version` prints what `hookd version` does, and loads no more for it: none of the libraries that serve.
    """
    option, command = place.hookd("--version", *more), place.hookd("version", *more)
    loading = place.hookd("--version", PYTHONPROFILEIMPORTTIME="1").err
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in loading.splitlines()}

    assert option == command
    assert (option.code, option.err) == (0, "")
    assert "hookd" in loaded
    assert not loaded & {"RestrictedPython", "asyncio", "flask", "gunicorn", "jsonschema", "sqlalchemy", "structlog"}


def test_points_are_listed_for_people_and_programs(place: Place) -> None:
    """
    Every point has a line; JSON has all that is known of it.
    """
    text, document = place.hookd("points"), place.hookd("points", "--format", "json").json()

    assert [line.split()[0] for line in text.out.splitlines()] == ["POINT", *POINTS]
    assert (text.code, text.err) == (0, "")
    assert [point["name"] for point in document] == list(POINTS)
    record = next(point for point in document if point["name"] == "process_record_file_path")
    notes = record.pop("notes")
    assert record == {
        "name": "process_record_file_path",
        "summary": "Change or convert the recording before it is uploaded.",
        "keys": {"path": "any", "call_id": "identifier", "from": "number", "to": "number"},
        "required": ["path"],
        "echo": ["path"],
        "unchanged": "echo",
        "constant": {},
        "is_open": False,
        "cancels": False,
        "stages": [],
        "has_call": True,
        "timeout_s": 10.0,
        "is_fixed": True,
        "aliases": [],
        "absent": None,
        "kept": "The original recording is used.",
    }
    assert notes == list(POINTS["process_record_file_path"].notes)


def test_markdown_has_every_key_of_every_point(place: Place) -> None:
    """
    The README's table names each key of request and reply, the required ones in bold.
    """
    ended = place.hookd("points", "--markdown")

    assert ended == Ended(0, points_command.markdown(), "")
    rows = {line.split("`")[1]: line.split(" | ") for line in ended.out.splitlines()[2:]}
    assert list(rows) == list(POINTS)
    for point in POINTS.values():
        request, reply = rows[point.name][2:4]
        assert all(f"`{key}`" in request for key in point.keys)
        assert all(f"**`{key}`**" in request for key in point.required)
        assert all(f"`{key}`" in reply for key in point.echo)


def test_samples_are_listed_and_printed(place: Place) -> None:
    """
    A sample is printed as the body to post, nothing else.
    """
    point = POINTS["process_client_phone"]
    scenarios = place.hookd("samples")
    listed = place.hookd("samples", point.name, "--format", "json").json()
    printed = place.hookd("samples", point.name, "incoming-missed")
    unknown = place.hookd("samples", point.name, "incomming")

    assert [line.split()[0] for line in scenarios.out.splitlines()] == list(samples.SCENARIOS)
    assert listed == [{"name": name, "summary": samples.describe(name)} for name in samples.names(point)]
    assert printed.json() == samples.sample(point, "incoming-missed")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith(
        'hookd: process_client_phone: sample "incomming" does not exist. There are: incoming@'
    )


# ---- init, new -------------------------------------------------------------------------------------------------


def test_init_makes_a_site_that_works(tmp_path: Path) -> None:
    """
    What `hookd init` makes passes its own tests and has nothing to complain about; nothing in it is ever overwritten.
    """
    place = Place(tmp_path)
    ended = place.hookd("init", "my site")
    site = Place(tmp_path / "my site")
    files = site.files()
    checked, tested = site.hookd("check"), site.hookd("test")
    again = place.hookd("init", "my site")

    assert ended == Ended(
        0,
        "my site/hookd.toml\n"
        "my site/.gitignore\n"
        "my site/hooks/settings.toml\n"
        "my site/hooks/process_client_phone.py\n"
        "my site/hooks/tests/process_client_phone/prefix-is-cut.json\n"
        "my site/hooks/tests/process_client_phone/nothing-is-set.json\n"
        "Next:\n"
        "  cd 'my site'\n"
        "  hookd test\n"
        "  hookd serve\n",
        "",
    )
    assert stat.S_IMODE((site.directory / "secrets").stat().st_mode) == 0o700
    assert (site.directory / "hooks/lib").is_dir()
    assert files[".gitignore"] == "/var/\n/secrets/\n"
    assert checked == Ended(0, "1 hook: 0 problems, 0 warnings\n", "")
    assert tested == Ended(0, "2 passed, 0 failed\n", "")
    assert again.code == 2
    assert again.err.splitlines() == [
        f"hookd: my site/{name}: is there already; nothing was written"
        for name in (
            "hookd.toml",
            ".gitignore",
            "hooks/settings.toml",
            "hooks/process_client_phone.py",
            "hooks/tests/process_client_phone/prefix-is-cut.json",
            "hooks/tests/process_client_phone/nothing-is-set.json",
            "hooks/lib",
            "secrets",
        )
    ]
    assert site.files() == files


def test_init_writes_all_or_nothing(tmp_path: Path) -> None:
    """
    One file that is there already keeps the others from being written.
    """
    place = Place(tmp_path)
    place.write("site/hookd.toml", "# mine\n")

    ended = place.hookd("init", "site", "--format", "json")

    assert ended == Ended(2, "", "hookd: site/hookd.toml: is there already; nothing was written\n")
    assert place.files() == {"site/hookd.toml": "# mine\n"}


def test_every_setting_stands_in_the_new_file_with_its_default(tmp_path: Path) -> None:
    """
    Taking the # away from any line of the new hookd.toml gives a file that is read, and means what the line says.
    """
    text = scaffold.config()
    active = re.sub(r"(?m)^# (\w+ = |\[)", r"\1", text)
    path = tmp_path / "hookd.toml"
    (tmp_path / "secrets").mkdir()
    for name in ("tokens", "operator_tokens", "bitrix_app", "bitrix_event_tokens"):
        (tmp_path / "secrets" / name).write_text("a-token-of-enough-characters\n")
    (tmp_path / "secrets" / "bitrix_webhook").write_text("https://acme.bitrix24.ru/rest/1/s3cr3tofthehook/\n")

    path.write_text(active)
    table, loaded = tomllib.loads(active), settings.load(path, tmp_path)
    path.write_text(text)
    plain = settings.load(path, tmp_path)

    hidden = {"tokens", "operator_tokens", "bitrix_app_secret", "bitrix_event_tokens", "bitrix_webhook"}
    assert (
        set(table) - {"site", "points", "jobs", "events", "placements"}
        == {row.name for row in settings.SETTINGS} - hidden
    )
    assert set(table["site"]) == {row.name for row in settings.SITE_SETTINGS} - hidden
    assert set(table["points"]["process_client_phone"]) == {row.name for row in settings.POINT_SETTINGS}
    assert set(table["placements"]["call_card"]) == {"timeout_s"}
    assert table["events"]["crm_lead"] == {row.name: row.default for row in settings.EVENT_SETTINGS}
    assert table["jobs"]["call_back"] == {row.name: row.default for row in settings.JOB_SETTINGS}
    shown = {
        "bind",
        "state",
        "hooks",
        "sites",
        "processes",
        "workers_max",
        "spares",
        "log_format",
        "journal_days",
        "journal_mb",
    }
    assert {name: getattr(loaded, name) for name in shown} == {name: getattr(plain, name) for name in shown}
    assert (plain.site.tokens, loaded.site.tokens) == ((), ("a-token-of-enough-characters",))


def test_what_the_new_file_shows_as_a_default_is_the_default(tmp_path: Path) -> None:
    """
    With every line active that does not call itself an example, everything is as with an empty file: for the
    installation, for a site, and for a point, a job, events and a page without a table of their own.
    """
    defaults = re.sub(r"(?m)^# (?=(\w+ = |\[)(?!.*# an example$))", "", scaffold.config())
    path = tmp_path / "hookd.toml"
    (tmp_path / "hooks").mkdir()
    path.write_text("")
    empty = settings.load(path, tmp_path)

    path.write_text(defaults)
    shown = settings.load(path, tmp_path)

    def of_site(found: settings.Settings) -> dict[str, Any]:
        tables = {"points", "jobs", "events", "files"}
        return {name: getattr(found.site, name) for name in found.site.__slots__ if name not in tables}

    assert replace(shown, site=empty.site) == empty
    assert of_site(shown) == of_site(empty)
    phone, page = POINTS["process_client_phone"], work_point("placements", "call_card")
    assert shown.site.points == {
        phone.name: settings.PointSettings(phone.timeout_s, None, empty.site.isolation, empty.site.record),
        page.name: settings.PointSettings(page.timeout_s),
    }
    # What a job and events have without a table: `runner.work_settings`.
    assert shown.site.jobs == {"call_back": settings.JobSettings(work_point("jobs", "call_back").timeout_s)}
    assert shown.site.events == {"crm_lead": settings.JobSettings(work_point("events", "crm_lead").timeout_s)}
    told = {line.partition(" = ")[0] for line in scaffold.config().splitlines() if line.endswith("# an example")}
    assert {"# hours", "# tokens_file", "# on_error"} <= told
    assert not {"# timeout_s", "# isolation", "# record", "# bind", "# time_zone"} & told


def test_new_writes_a_hook_and_a_case_for_every_point(place: Place) -> None:
    """
    A new hook of any point compiles without a warning, changes nothing, and its case says so.
    """
    for point in POINTS.values():
        scaffold.make_hook(place.directory / "hooks", point)

    checked, tested = place.hookd("check"), place.hookd("test")

    assert checked == Ended(0, f"{len(POINTS)} hooks: 0 problems, 0 warnings\n", "")
    assert tested == Ended(0, f"{len(POINTS)} passed, 0 failed\n", "")


def test_new_names_what_it_wrote_and_overwrites_nothing(place: Place) -> None:
    """
    A hook that is there stays as it is, and so does a case.
    """
    place.write("sites/acme/hooks/lib/x.py", "")
    first = place.hookd("new", "process_final_params")
    other_site = place.hookd("new", "process_final_params", "--site", "acme", "--format", "json").json()
    files = place.files()
    second = place.hookd("new", "process_final_params")

    assert first == Ended(
        0,
        "hooks/process_final_params.py\n"
        "hooks/tests/process_final_params/incoming.json\n"
        "Next:\n"
        "  hookd run process_final_params\n"
        "  hookd test process_final_params\n",
        "",
    )
    assert other_site["files"] == [f"sites/acme/{line}" for line in first.out.splitlines()[:2]]
    text = files["hooks/process_final_params.py"]
    assert max(map(len, text.splitlines())) <= scaffold.WIDTH
    for said in ("STATUS_CODE", "CANCEL", "[points.process_final_params]", "call", "phones", "clock", "settings"):
        assert said in text
    assert second.code == 2
    assert second.err == (
        f"hookd: {place.directory}/hooks/process_final_params.py: is there already; nothing was written\n"
        f"hookd: {place.directory}/hooks/tests/process_final_params/incoming.json: is there already; "
        "nothing was written\n"
    )
    assert place.files() == files


# ---- check -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place in which everything is wrong that `hookd check` looks for."""
    place = Place(tmp_path_factory.mktemp("wrong"))
    place.write("hooks/process_client_phone.py", "import os\n\n\ndef process_client_phone(request):\n    return {}\n")
    place.write("hooks/process_user_phone.py", "def process_user_phone(request, cal):\n    return {}\n")
    place.write("hooks/need_registration.py", "LIMIT = 1 / 0\n\n\ndef need_registration(request):\n    return {}\n")
    place.write(
        "hooks/process_final_params.py",
        "from lib.owners import owner\n\n\ndef process_final_params(request, settings):\n"
        '    return {"USER_ID": owner(request["conversation"], settings["ownr"])}\n',
    )
    place.write("hooks/lib/owners.py", "def owner(call, default):\n    return default\n")
    place.write("hooks/get_updated_lead_fields.py", "def get_updated_lead_fields(request):\n    return {}\n")
    place.write("hooks/settings.toml", "[process_final_params]\nowner = 1\n\n[process_client_fone]\na = 1\n")
    place.write("hooks/tests/process_final_params/broken.json", '{"sample": "incoming",\n "outcome": ok}')
    place.write("hooks/tests/process_final_params/fine.json", {"sample": "incoming", "outcome": "ok"})
    place.write("sites/acme/hooks/process_client_phone.py", PHONE_HOOK)
    place.write("sites/broken/site.toml", 'zone = "UTC"\n')
    return place


def test_check_names_everything_at_once(wrong: Place) -> None:
    """
    One look finds what is wrong in hooks, settings, cases and sites, each with file and line; warnings are told apart.
    """
    ended = wrong.hookd("check")

    places = [line.partition(": ")[0] for line in ended.err.splitlines() if not line.startswith("warning: ")]
    warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
    assert places == [
        "sites/broken/site.toml",
        "hooks/need_registration.py:1",
        "hooks/process_client_phone.py:1",
        "hooks/process_user_phone.py:1",
        "hooks/settings.toml",
        "hooks/get_updated_lead_fields.py",
        "hooks/tests/process_final_params/broken.json:2",
    ]
    assert "sites/broken/site.toml: zone: there is no such setting" in ended.err
    assert "did you mean process_client_phone?" in ended.err
    assert "Call the file and its function customize_entity." in ended.err
    assert [line.partition(";")[0] for line in warnings] == [
        'warning: hooks/process_final_params.py:5: request["conversation"]: connectors from 3.13 on do not send it. '
        "Ask for the tool call: def process_final_params(request, call). It reads the old and the new form.",
        "warning: hooks/process_final_params.py:5: settings has no key 'ownr'",
        "warning: hooks/settings.toml: [process_final_params] owner is read nowhere in process_final_params.py",
    ]
    assert (ended.code, ended.out) == (1, "5 hooks: 7 problems, 3 warnings\n")


def test_check_of_single_files_tells_of_them_and_of_what_uses_them(wrong: Place) -> None:
    """
    Named files narrow the check; a lib file stands for the hooks that import it.
    """
    lib = wrong.hookd("check", "hooks/lib/owners.py", "--format", "json").json()
    hook = wrong.hookd("check", "hooks/process_user_phone.py")
    case = wrong.hookd("check", "hooks/tests")
    site = wrong.hookd("check", "--site", "acme")
    directory = wrong.hookd("check", "sites/acme/hooks")

    assert [found["point"] for found in lib["hooks"]] == ["process_final_params"]
    assert (lib["problems"], len(lib["warnings"])) == ([], 3)
    assert lib["warnings"][0] == {
        "site": "default",
        "file": "hooks/process_final_params.py",
        "line": 5,
        "message": 'request["conversation"]: connectors from 3.13 on do not send it.',
        "remedy": "Ask for the tool call: def process_final_params(request, call). It reads the old and the new form.",
    }
    assert (hook.code, hook.out) == (1, "1 hook: 1 problem, 0 warnings\n")
    assert hook.err.startswith("hooks/process_user_phone.py:1: ")
    assert (case.code, case.out) == (1, "0 hooks: 1 problem, 0 warnings\n")
    assert site == directory == Ended(0, "1 hook: 0 problems, 0 warnings\n", "")


def test_check_refuses_files_that_it_does_not_read(wrong: Place) -> None:
    """
    A file that is no hook of any site is not passed over in silence.
    """
    wrong.write("hooks/notes.txt", "")

    ended = wrong.hookd("check", "hooks/notes.txt", "no.py", "hooks/process_user_phone.py")

    assert ended == Ended(
        2,
        "",
        "hookd: hooks/notes.txt: is no hook, lib file, list, case or settings.toml in the hooks directory of a site\n"
        "hookd: no.py: there is no such file\n",
    )


def test_check_warns_of_replies_that_no_point_takes(place: Place) -> None:
    """
    A literal key that the point's reply has not, or a literal that is no dict, is told with its line and what is meant;
    what may be right is not: keys of the request, points and kinds of hooks that take anything, functions beside.
    """
    place.write(
        "hooks/process_client_phone.py",
        "def shortened(number):\n    return {'number': number[-4:]}\n\n\n"
        "def process_client_phone(request):\n"
        "    if request['phone'] == '1':\n        return '603'\n"
        "    if request['phone'] == '2':\n        return {**request, 'phon': 1}\n"
        "    stage = request.get('call_stage')\n    new = request['new']\n"
        "    return {**shortened('1'), 'phone': '1', 'call_stage': stage, 'new': new}\n",
    )
    place.write("hooks/need_registration.py", "def need_registration(request):\n    return False\n")
    task = "process_task_creation_params"
    place.write(f"hooks/{task}.py", f"def {task}(request):\n    return {{'TITLE': 'a'}} if request else ['a']\n")
    for name in ("customize_activity", "customize_attach_record_url", "post_registration"):
        place.write(f"hooks/{name}.py", f"def {name}(request):\n    return {{'UF_CRM_TRUNK': 1}}\n")
    place.write("hooks/jobs/note.py", "def note(job):\n    return 5\n")
    place.write("hooks/events/oncrmleadadd.py", "def oncrmleadadd(event):\n    return {'done': 1}\n")
    place.write("hooks/placements/call_card.py", "def call_card(placement):\n    return {'template': 'a.html'}\n")
    place.write("hooks/templates/a.html", "hello")

    ended = place.hookd("check")

    instead = "Return a dict of what you change, such as"
    assert ended.err.splitlines() == [
        "warning: hooks/need_registration.py:2: this returns False, which is a boolean. "
        f'{instead} {{"result": False}}, or nothing to change nothing.',
        "warning: hooks/process_client_phone.py:9: reply /phon: this point has no such key; did you mean phone? "
        "Keys: phone.",
        'warning: hooks/process_client_phone.py:7: this returns "603", which is a string. '
        f'{instead} {{"phone": "603"}}, or nothing to change nothing.',
        f"warning: hooks/{task}.py:2: reply /TITLE: the fields of the task go one level deeper: "
        'return {"fields": {"TITLE": …}}.',
        f'warning: hooks/{task}.py:2: this returns ["a"], which is a list. '
        f'{instead} {{"fields": …}}, or nothing to change nothing.',
    ]
    assert (ended.code, ended.out) == (0, "9 hooks: 0 problems, 5 warnings\n")


def test_warnings_alone_are_fine(place: Place) -> None:
    """
    What is legal does not fail a build, a lib file that nobody uses included.
    """
    place.write("hooks/lib/spare.py", "def (")
    place.write("hooks/process_final_params.py", "def process_final_params(request):\n    request['USER_ID'] = 5\n")

    ended = place.hookd("check")

    assert (ended.code, ended.out) == (0, "1 hook: 0 problems, 2 warnings\n")
    assert ended.err == (
        "warning: hooks/process_final_params.py:1: process_final_params changes request, but returns nothing: "
        'the change is lost. Return what changes: return {"KEY": value}, or return request.\n'
        "warning: hooks/lib/spare.py: no hook imports this, so it was not checked. Import it, or delete it.\n"
    )


# ---- run -------------------------------------------------------------------------------------------------------


def test_run_shows_what_a_hook_did(place: Place) -> None:
    """
    People see the outcome, what changed, what was printed, the times and the whole reply.
    """
    place.write("hooks/process_client_phone.py", PHONE_HOOK)

    ended = place.hookd(
        "run", "process_client_phone", "--sample", "incoming@call_ended", "--set", "phone=+79001112233",
        *("--settings", "outside_line=9"),
    )  # fmt: skip

    assert (ended.code, ended.err) == (0, "")
    assert times_hidden(ended.out) == (
        "outcome: ok\n"
        'changed: /data/phone: "+79001112233" → "79001112233"\n'
        "print:\n"
        "  asked about +79001112233\n"
        "times: validate N ms, wait N ms, hook N ms, total N ms\n"
        "reply:\n"
        "{\n"
        '  "data": {\n'
        '    "phone": "79001112233"\n'
        "  },\n"
        '  "state": "success"\n'
        "}\n"
    )


def test_set_gives_text_where_portals_post_text(place: Place) -> None:
    """
    Numbers that are set in what a portal posts come as text, as written, at any depth; all else is the JSON it is.
    """
    shown = "    for key in sorted({name}):\n        print(key, repr({name}[key]))\n"
    for kind, code in (("event", "oncrmleadadd"), ("placement", "call_card"), ("job", "note")):
        place.write(f"hooks/{kind}s/{code}.py", f"def {code}({kind}):\n" + shown.format(name=kind))

    def run(hook: str, *changes: str) -> dict[str, str]:
        arguments = [word for change in changes for word in ("--set", change)]
        lines = place.hookd("run", hook, *arguments, "--format", "json").json()["print"].splitlines()
        return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}

    data = '{"ID": 17, "LIST": [1.5, true]}'
    event = run("events/oncrmleadadd", f"data={data}", "fields.ID=17", "fields.SUM=1.50", "fields.OFF=false", "at=5")
    page = run("placements/call_card", "options=" + data, "raw.ID=007", 'form={"note": 5, "on": true}', "user_id=7")
    job = run("jobs/note", "payload.ID=17")

    assert event["data"] == "{'ID': '17', 'LIST': ['1.5', 'true']}"
    assert event["fields"] == "{'ID': '17', 'SUM': '1.50', 'OFF': 'false'}"
    assert event["at"] == "5"
    assert page["options"] == "{'ID': '17', 'LIST': ['1.5', True]}"
    assert page["raw"].endswith("'ID': '007'}")
    assert (page["form"], page["user_id"]) == ("{'note': '5', 'on': 'true'}", "7")
    assert job["payload"] == "{'ID': 17}"


def test_run_takes_the_body_as_http_does(place: Place) -> None:
    """
    A file or standard input holds the posted body, wrapped or not; the site's settings apply, and JSON is whole.
    """
    place.write("hooks/process_client_phone.py", PHONE_HOOK)
    place.write("hooks/settings.toml", "[process_client_phone]\noutside_line = true\n")
    body = place.write("body.json", {"params": {"phone": "8123"}, "other": 1})

    ended = place.hookd(
        "run", "process_client_phone", "--input", "-", "--set", "phone=9123", "--format", "json",
        stdin=body.read_bytes(),
    )  # fmt: skip

    document = ended.json()
    run_id, times = document.pop("run_id"), document.pop("times_ms")
    digest = document.pop("digest")
    assert ended.code == 0
    assert re.fullmatch("L[0-4]", document["isolation"])
    assert re.fullmatch("[0-9a-f]{20}", run_id)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert set(times) == {"validate", "wait", "hook", "total"}
    assert document == {
        "site": "default",
        "point": "process_client_phone",
        "outcome": "ok",
        "reason": None,
        "reply": {"data": {"phone": "123"}, "state": "success"},
        "error": None,
        "warnings": [],
        "print": "asked about 9123\n",
        "calls": [],
        "linkedid": None,
        "isolation": document["isolation"],
    }


def test_run_of_a_hook_that_fails_exits_1(place: Place) -> None:
    """
    A fallback is the hook's fault: error on standard error, exit 1, and the reply that the call gets all the same.
    """
    place.write("hooks/need_registration.py", "def need_registration(request):\n    return {'result': 1 / 0}\n")
    text = place.hookd("run", "need_registration")
    document = place.hookd("run", "need_registration", "--format", "json")

    assert (text.code, document.code) == (1, 1)
    assert text.err == (
        "need_registration.py:2: ZeroDivisionError: division by zero. The conversation is registered. [error]\n"
    )
    assert text.out.startswith("outcome: fallback (error)\ntimes: ")
    found = document.json()
    assert (found["outcome"], found["reason"]) == ("fallback", "error")
    assert found["reply"] == {"data": {"result": True}, "state": "success"}
    assert found["error"] == {
        "file": "need_registration.py",
        "line": 2,
        "message": "ZeroDivisionError: division by zero.",
        "remedy": "",
        "code": "error",
        "text": "need_registration.py:2: ZeroDivisionError: division by zero. The conversation is registered. [error]",
    }


def test_run_uses_the_file_as_it_is_now(place: Place) -> None:
    """
    A hook that does not compile is no run of an older version; hooks of other points do not matter.
    """
    place.write("hooks/process_client_phone.py", "import os\n")
    place.write("hooks/process_user_phone.py", "import os\n")

    ended = place.hookd("run", "process_client_phone")

    assert ended.code == 1
    assert ended.err.startswith("process_client_phone.py:1: import os: hooks have no operating system.")
    assert len(ended.err.splitlines()) == 1
    assert ended.out.startswith("outcome: fallback (load)\n")


@pytest.mark.parametrize(("command", "code"), [("run process_client_phone", 0), ("test", 1), ("simulate missed", 0)])
def test_broken_settings_of_hooks_are_told_and_nothing_stops(place: Place, command: str, code: int) -> None:
    """
    Whoever tries a hook learns that its settings could not be read, once; the hook runs without, as the server runs it.
    """
    place.write("hooks/process_client_phone.py", PHONE_HOOK)
    place.write("hooks/settings.toml", "[process_client_phone]\noutside_line = yes\n")
    cut = {"request": {"phone": "9123"}, "reply": {"phone": "123"}}
    place.write("hooks/tests/process_client_phone/cut.json", cut)
    place.write("hooks/tests/process_client_phone/as-it-is.json", {**cut, "reply": {"phone": "9123"}})

    ended = place.hookd(*command.split())

    assert ended.err.splitlines()[:1] == [
        "hooks/settings.toml: is no TOML: Invalid value (at line 2, column 16). Hooks run without settings."
    ]
    assert (ended.code, ended.err.count("settings.toml")) == (code, 1)
    assert place.hookd("check").code == 1


def test_run_without_a_hook_says_how_to_make_one(place: Place) -> None:
    """
    No hook is no error. Old names of points work.
    """
    ended = place.hookd("run", "get_updated_lead_fields")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[:2] == [
        "outcome: unchanged (no_hook)",
        "there is no hook: `hookd new customize_entity` writes one",
    ]


@pytest.mark.parametrize(
    ("arguments", "body", "code", "said"),
    [
        (["--input", "no.json"], b"", 2, "hookd: no.json: cannot be read: No such file or directory"),
        (
            ["--input", "-"],
            b'{"phone":\n NaN}',
            1,
            "standard input:2: is no JSON: column 2, at /phone: NaN is not JSON; ",
        ),
        (["--input", "-"], b"[]", 1, "standard input: /: the body is a list; send a JSON object."),
        (["--input", "-"], b"{}", 1, "standard input: /phone: missing; "),
        (["--set", "phone=[]"], b"", 1, "sample incoming@conversation_requested: /phone: "),
        (["--set", "phone.x=1"], b"", 2, 'hookd: set "phone.x": phone is "+79001234567" and has nothing inside; '),
        (["--set", "phone"], b"", 2, "hookd run: error: argument --set: 'phone': PATH=VALUE is expected, "),
        (["--set", 'phone={"a":1,"a":2}'], b"", 2, "hookd run: error: argument --set: phone: the value is no JSON: "),
        (["--sample", "nope"], b"", 2, 'hookd: process_client_phone: sample "nope" does not exist. There are: '),
        (["--now", "noon"], b"", 2, "hookd run: error: argument --now: 'noon': a time such as "),
    ],
)
def test_bad_requests_are_told_apart(place: Place, arguments: list[str], body: bytes, code: int, said: str) -> None:
    """
    Each wrong request is named with its place, before any sandbox is started.
    """
    ended = place.hookd("run", "process_client_phone", *arguments, stdin=body)

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.splitlines()[-1].startswith(said)


# ---- test ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with cases that pass, fail and cannot be read."""
    place = Place(tmp_path_factory.mktemp("tested"))
    place.write("hooks/process_client_phone.py", PHONE_HOOK)
    place.write("hooks/settings.toml", "[process_client_phone]\noutside_line = true\n")
    place.write("hooks/process_user_phone.py", "def process_user_phone(request):\n    return None\n")
    place.write(
        "hooks/process_final_params.py",
        'def process_final_params(request, clock):\n    print(clock.iso(), "<&>\\x00")\n'
        '    return {"USER_ID": 17, "TYPO": 1} if clock.is_working() else None\n',
    )
    place.write(
        "hooks/tests/process_client_phone/live-settings.json",
        {"request": {"phone": "9123"}, "reply": {"phone": "123"}, "outcome": "ok", "warnings": []},
    )
    place.write(
        "hooks/tests/process_client_phone/own-settings.json",
        {
            "sample": "incoming",
            "set": {"phone": "9123"},
            "settings": {},
            "outcome": "unchanged",
            "print": "about 9123",
        },
    )
    place.write(
        "hooks/tests/process_client_phone/wrong.json",
        {
            "request": {"phone": "9123"},
            "outcome": "unchanged",
            "reason": "no_hook",
            "reply": {"phone": 123, "more": [1]},
            "print": "nothing",
            "warnings": ["odd"],
        },
    )
    place.write(
        "hooks/tests/process_final_params/typo.json",
        {"sample": "incoming", "now": "2026-03-02T10:00:00+03:00", "outcome": "ok"},
    )
    return place


WRONG_CASE = [
    'hooks/tests/process_client_phone/wrong.json: /outcome: expected "unchanged", actual "ok"',
    'hooks/tests/process_client_phone/wrong.json: /reason: expected "no_hook", actual nothing',
    'hooks/tests/process_client_phone/wrong.json: /reply/phone: expected 123, actual "123"',
    "hooks/tests/process_client_phone/wrong.json: /reply/more: expected [1], actual nothing",
    'hooks/tests/process_client_phone/wrong.json: /print: expected to contain "nothing", actual "asked about 9123\\n"',
    'hooks/tests/process_client_phone/wrong.json: /warnings/0: expected to contain "odd", actual nothing',
    "hooks/tests/process_client_phone/wrong.json: print: asked about 9123",
]


def test_cases_are_run_and_differences_shown(tested: Place) -> None:
    """
    Each difference is one line with file, pointer, expected and actual; the hook's own error explains the rest.
    """
    junit = tested.directory / "results.xml"
    ended = tested.hookd("test", "--junit", "results.xml")

    lines = ended.err.splitlines()
    assert (ended.code, ended.out) == (1, "no cases: process_user_phone\n2 passed, 2 failed\n")
    assert lines[: len(WRONG_CASE)] == WRONG_CASE
    final = "hooks/tests/process_final_params/typo.json: "
    assert lines[len(WRONG_CASE)] == f'{final}/outcome: expected "ok", actual "fallback"'
    assert lines[len(WRONG_CASE) + 1].startswith(f"{final}process_final_params.py: reply /TYPO: ")
    assert lines[len(WRONG_CASE) + 2].startswith(f"{final}print: 2026-03-02T07:00:00+00:00 <&>")
    suite = ElementTree.parse(junit).getroot()
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors")} == {
        "name": "hookd",
        "tests": "4",
        "failures": "2",
        "errors": "0",
    }
    assert [(case.get("classname"), case.get("name"), len(case.findall("failure"))) for case in suite] == [
        ("process_client_phone", "live-settings", 0),
        ("process_client_phone", "own-settings", 0),
        ("process_client_phone", "wrong", 1),
        ("process_final_params", "typo", 1),
    ]
    assert suite[2][0].get("message") == '/outcome: expected "unchanged", actual "ok"'
    assert "<&>" in (suite[3].findtext("system-out") or "")


def test_single_cases_are_chosen_by_name_or_file(tested: Place) -> None:
    """
    A point, a case or its file narrows the tests; a wrong name is usage.
    """
    case = tested.hookd("test", "process_client_phone/own-settings", "--format", "json").json()
    both = tested.hookd(
        "test", "hooks/tests/process_client_phone/live-settings.json", "process_client_phone/own-settings"
    )
    unknown = tested.hookd("test", "process_client_phone/own-setings")

    run = case["cases"][0].pop("run")
    assert case == {
        "passed": 1,
        "failed": 0,
        "cases": [
            {
                "point": "process_client_phone",
                "case": "own-settings",
                "file": "hooks/tests/process_client_phone/own-settings.json",
                "is_passed": True,
                "differences": [],
            }
        ],
        "problems": [],
        "untested": [],
    }
    assert (run["outcome"], run["print"]) == ("unchanged", "asked about 9123\n")
    assert both == Ended(0, "2 passed, 0 failed\n", "")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err.startswith(
        "hookd: there is no case 'process_client_phone/own-setings'; did you mean process_client_phone/own-settings? "
    )


def test_no_cases_are_said_to_be_none(place: Place) -> None:
    """
    A site without cases is no failure, but every hook without one is named; a file for JUnit needs a directory.
    """
    place.write("hooks/process_client_phone.py", PHONE_HOOK)

    ended = place.hookd("test", "--format", "json").json()
    unwritable = place.hookd("test", "--junit", "no/results.xml")

    assert ended == {"passed": 0, "failed": 0, "cases": [], "problems": [], "untested": ["process_client_phone"]}
    assert unwritable == Ended(2, "", "hookd: no/results.xml: cannot be written: No such file or directory\n")


BROKEN_CASES: dict[str, tuple[Any, str]] = {
    "process_client_phone/text": ("{", ":1: is no JSON: column 2, at /: a key in double quotes is expected here."),
    "process_client_phone/list": (
        [],
        ": a case is a JSON object. Keys: sample, request, set, settings, now, tools, outcome, ",
    ),
    "process_client_phone/typo": (
        {"sampel": "incoming", "outcome": "ok"},
        ": sampel: there is no such key; did you mean sample? Keys: ",
    ),
    "process_client_phone/tools": (
        {"sample": "incoming", "tools": {}, "outcome": "ok"},
        ': tools: a list of recorded answers, such as [{"call": "http.get", "answer": {…}}], is expected.',
    ),
    "process_client_phone/twice": (
        {"sample": "incoming", "request": {"phone": "1"}, "outcome": "ok"},
        ": the request is missing or named twice. ",
    ),
    "process_client_phone/nothing": ({"sample": "incoming"}, ": nothing is expected. "),
    "process_client_phone/sample": ({"sample": "nope", "outcome": "ok"}, ': process_client_phone: sample "nope" '),
    "process_client_phone/request": (
        {"request": {}, "outcome": "ok"},
        ": the request has no valid reply: /phone: missing; ",
    ),
    "process_client_phone/path": ({"sample": "incoming", "set": {"phone.x": 1}, "outcome": "ok"}, ': set "phone.x": '),
    "process_client_phone/now": (
        {"sample": "incoming", "now": 5, "outcome": "ok"},
        ': now: a time such as "2026-03-02T10:00:00+03:00" is expected.',
    ),
    "process_client_phone/outcome": (
        {"sample": "incoming", "outcome": "fine"},
        ": outcome: one of ok, unchanged, cancelled, fallback is expected.",
    ),
    "post_registration/reply": ({"sample": "incoming", "reply": {}}, ": reply: this point's reply has no data. "),
    "process_phone/point": ({"sample": "incoming", "outcome": "ok"}, ": process_phone is no point"),
    "lost": ({"sample": "incoming", "outcome": "ok"}, ": a case lies in the directory of its point. "),
    "process_client_phone/deep/lost": ({}, ": a case lies right in the directory of its point. "),
    "get_updated_lead_fields/old": (
        {},
        ": get_updated_lead_fields is an old name. Call the directory customize_entity.",
    ),
}


@pytest.mark.parametrize("name", BROKEN_CASES)
def test_broken_cases_say_what_is_wrong(place: Place, name: str) -> None:
    """
    A case that cannot be read is a problem of its file, never a case that passes.
    """
    content, said = BROKEN_CASES[name]
    place.write(f"hooks/tests/{name}.json", content)

    found, problems = cases.read(place.directory / "hooks/tests")

    assert found == []
    assert [str(problem)[: len(f"tests/{name}.json{said}")] for problem in problems] == [f"tests/{name}.json{said}"]
    with pytest.raises(SampleError, match=re.escape(said)):
        cases.load(place.directory / "hooks/tests")


def test_broken_cases_fail_the_tests(place: Place) -> None:
    """
    One file that is no case fails the command, in the text, in JSON and in JUnit.
    """
    place.write("hooks/tests/process_client_phone/broken.json", {"sample": "incoming"})
    place.write(
        "hooks/tests/process_client_phone/good.json",
        {"sample": "incoming", "reason": "no_hook", "outcome": "unchanged"},
    )

    ended = place.hookd("test", "--junit", "out.xml")

    file = "hooks/tests/process_client_phone/broken.json"
    said = f'{file}: nothing is expected. Write "outcome", "reply" or both.'
    assert ended == Ended(1, "1 passed, 0 failed, 1 not read\n", f"{said}\n")
    suite = ElementTree.parse(place.directory / "out.xml").getroot()
    assert (suite.get("tests"), suite.get("errors"), suite[1].get("name")) == ("2", "1", file)
    assert suite[1][0].get("message") == said


def test_junit_is_xml_whatever_a_hook_says() -> None:
    """
    Characters that XML cannot say are replaced, markup is escaped.
    """
    problem = Problem("tests/<a>&.json", 0, "\x00\x1b[31m\uffff\udc80 é 😀.")

    suite = ElementTree.fromstring(junit.document([], [problem]))

    assert suite[0].get("name") == "tests/<a>&.json"
    assert suite[0][0].get("message") == "tests/<a>&.json: ��[31m�� é 😀."
