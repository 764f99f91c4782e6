"""
`hookd runs` and `hookd run --from`: the journal as people and scripts use it, and docs/journal.md.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, start
from tests.test_cli import Ended, Place
from tests.test_readme import ROOT, blocks, followed

PAGE = ROOT / "docs" / "journal.md"
SHOWN_ID, SHOWN_CALL = "01a1f8aa65793d62c6ea", "1700000000.12"
PHONE, NEED = "process_client_phone", "need_registration"
PHONE_HOOK = """\
def process_client_phone(request, settings, clock):
    print("asked about", request["phone"])
    if settings.get("outside_line"):
        return {"phone": request["phone"][1:]}
"""
NEED_HOOK = "def need_registration(request):\n    return {'result': 1 / 0}\n"
MENDED_HOOK = "def need_registration(request):\n    return {'result': False}\n"
SETTINGS = "[process_client_phone]\noutside_line = true\n"


def request_of(phone: str, linkedid: str = "") -> dict[str, Any]:
    call = {"channel": {"id": linkedid, "type": "incoming"}}
    return {"phone": phone, "call_full": call} if linkedid else {"phone": phone}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two runs in its journal, which the tests do not add to."""
    directory = tmp_path_factory.mktemp("runs")
    (directory / "hooks").mkdir()
    (directory / "hooks" / f"{PHONE}.py").write_text(PHONE_HOOK)
    (directory / "hooks" / f"{NEED}.py").write_text(NEED_HOOK)
    (directory / "hooks" / "settings.toml").write_text(SETTINGS)
    started = start(directory)
    started.post(PHONE, request_of("9+79001234567", "1700000000.11"))
    started.post(NEED, request_of("", SHOWN_CALL))
    started.wait(lambda: len(listed(started)) == 2, "the journal")
    yield started
    started.stop()


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    """A copy of the server's directory, as it is now, in which a test may change hooks."""
    shutil.copytree(server.directory, tmp_path / "copy", ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    for path in (server.directory / "var").glob("runs.sqlite-*"):
        shutil.copy(path, tmp_path / "copy" / "var")
    return Place(tmp_path / "copy")


def hookd(server: Server, *arguments: str) -> Ended:
    return Place(server.directory).hookd(*arguments)


def listed(server: Server) -> list[dict[str, Any]]:
    ended = hookd(server, "runs", "--format", "json")
    return json.loads(ended.out) if ended.code == 0 else []


def plain(text: str) -> str:
    """*text* without what differs from run to run."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "TIME", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)
    text = re.sub(r"isolation: L[0-4]", "isolation: LEVEL", text)
    text = re.sub(r"\b[0-9a-f]{20}\b", "ID", text)
    return re.sub(r" *\d+\.\d+ ms", " N ms", text)


# ---- the list --------------------------------------------------------------------------------------------------

FIRST = f"TIME  ID  {PHONE}           ok N ms  1700000000.11\n"
SECOND = (
    f"TIME  ID  {NEED}              fallback error N ms  1700000000.12  "
    "need_registration.py:2: ZeroDivisionError: division by zero. The conversation is registered. [error]\n"
)


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        ("", FIRST + SECOND),
        ("--limit 1", SECOND),
        ("--site default --since 1h", FIRST + SECOND),
        (f"--point {PHONE}", FIRST),
        ("--outcome fallback --reason error", SECOND),
        ("--call 1700000000.11", FIRST),
        ("--since 2020-01-01", FIRST + SECOND),
    ],
)
def test_runs_are_listed_the_newest_last(server: Server, arguments: str, lines: str) -> None:
    """
    A line a run, with what a look needs; each option narrows the list.
    """
    ended = hookd(server, "runs", *arguments.split())

    assert (ended.code, plain(ended.out), ended.err) == (0, lines, "")


@pytest.mark.parametrize("arguments", ["--since 2100-01-01", "--call 1", "--outcome cancelled"])
def test_an_empty_list_says_what_there_is(server: Server, arguments: str) -> None:
    """
    Where no run is meant, the range of the journal is told beside the empty list.
    """
    ended = hookd(server, "runs", *arguments.split())

    assert (ended.code, ended.out) == (0, "")
    assert re.fullmatch(
        r"there is no such run; the journal has 2, from \w{20} \(.* UTC\) to \w{20} \(.* UTC\)\n", ended.err
    )


def test_a_site_that_does_not_exist_is_usage(server: Server) -> None:
    """
    A mistyped site is no site without runs, and nobody waits for some.
    """
    ended = hookd(server, "runs", "--site", "acme", "--follow")

    assert ended == Ended(2, "", "hookd: there is no site 'acme'. Sites: default\n")


def test_scripts_get_json(server: Server) -> None:
    """
    The list as JSON has a run's facts by name.
    """
    found = listed(server)[1]

    assert re.fullmatch("[0-9a-f]{20}", found.pop("id"))
    assert found.pop("ms") > 0
    assert found.pop("at").endswith("+00:00")
    assert found == {
        "site": "default",
        "point": NEED,
        "outcome": "fallback",
        "reason": "error",
        "linkedid": "1700000000.12",
        "error": "need_registration.py:2: ZeroDivisionError: division by zero. The conversation is registered. [error]",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--since yesterday", "argument --since: 'yesterday': 30m, 12h, 7d or a time such as"),
        ("--limit 0", "argument --limit: '0': a number from 1 to 1000000 is expected"),
        ("--point proces_client_phone", "there is no point 'proces_client_phone'; did you mean process_client_phone?"),
        ("--outcome good", "argument --outcome: invalid choice: 'good'"),
        ("save 01", "the following arguments are required: --as"),
    ],
)
def test_wrong_options_are_usage(place: Place, arguments: str, said: str) -> None:
    """
    An option that is wrong is told with what is allowed.
    """
    ended = place.hookd("runs", *arguments.split())

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


def test_follow_shows_runs_as_they_come(tmp_path: Path) -> None:
    """
    --follow prints what there is and goes on with new runs, each once, until Ctrl-C.
    """
    (tmp_path / "hooks").mkdir()
    server = start(tmp_path)
    try:
        server.post(PHONE, request_of("1"))
        server.wait(lambda: len(listed(server)) == 1, "the first run")
        command = [sys.executable, "-m", "hookd", "runs", "--follow", "--format", "json", "--point", PHONE]
        following = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert following.stdout
        sent = [json.loads(following.stdout.readline())["id"]]
        for number in range(3):
            sent.append(server.post(PHONE, request_of(str(number))).headers["Hookd-Run-Id"])
            server.post(NEED, {})
        shown = [json.loads(following.stdout.readline())["id"] for _ in range(3)]
        following.send_signal(signal.SIGINT)
        rest = following.communicate(timeout=30)[0]
    finally:
        server.stop()

    assert shown == sent[1:]
    assert (following.returncode, rest) == (130, "")


def test_a_call_is_found_by_what_it_was_called(tmp_path: Path) -> None:
    """
    A PBX that calls its channels by numbers has them masked in the journal, and found all the same.
    """
    (tmp_path / "hooks").mkdir()
    server = start(tmp_path)
    try:
        server.post(PHONE, request_of("1", "PJSIP/79001234567-1"))
        server.wait(lambda: len(listed(server)) == 1, "the run")
        found = hookd(server, "runs", "--call", "PJSIP/79001234567-1", "--format", "json").json()
    finally:
        server.stop()

    assert [run["linkedid"][:10] for run in found] == ["PJSIP/7900"]
    assert "1234567" not in found[0]["linkedid"]


# ---- one run ---------------------------------------------------------------------------------------------------


def test_show_prints_all_of_a_run(server: Server) -> None:
    """
    Of a run everything is shown, and numbers only under their pseudonyms.
    """
    ended = hookd(server, "runs", "show", listed(server)[0]["id"][:16])

    assert ended.code == 0
    assert "1234567" not in ended.out
    assert re.sub("7900[0-9]{7}", "PSEUDONYM", plain(ended.out)) == (
        "run: ID, TIME +0000, site default, process_client_phone\n"
        "outcome: ok\n"
        "linkedid: 1700000000.11\n"
        "digest: DIGEST\n"
        "isolation: LEVEL\n"
        "times: validate N ms, wait N ms, hook N ms, total N ms\n"
        "phones: masked\n"
        'changed: /data/phone: "9+PSEUDONYM" → "+PSEUDONYM"\n'
        "print:\n"
        "  asked about 9+PSEUDONYM\n"
        "request:\n"
        "{\n"
        '  "phone": "9+PSEUDONYM",\n'
        '  "call_full": {\n'
        '    "channel": {\n'
        '      "id": "1700000000.11",\n'
        '      "type": "incoming"\n'
        "    }\n"
        "  }\n"
        "}\n"
        "reply:\n"
        "{\n"
        '  "data": {\n'
        '    "phone": "+PSEUDONYM"\n'
        "  },\n"
        '  "state": "success"\n'
        "}\n"
    )


def test_show_gives_scripts_the_document(server: Server) -> None:
    """
    As JSON, a run is the document of ?explain=1 with its request and what the hook changed.
    """
    found = hookd(server, "runs", "show", listed(server)[1]["id"], "--format", "json").json()

    assert found["request"] == request_of("", "1700000000.12")
    assert (found["outcome"], found["reason"], found["changes"]) == ("fallback", "error", [])
    assert found["error"]["line"] == 2


def test_a_run_that_is_not_there_is_told(server: Server) -> None:
    """
    A wrong id is told with the journal's range, a short one with the runs that it may mean.
    """
    first, second = (run["id"] for run in listed(server))
    common = first[: next(place for place, pair in enumerate(zip(first, second, strict=True)) if len({*pair}) == 2)]

    nowhere = [hookd(server, "runs", "show", wrong) for wrong in ("ffff", "x", "%")]
    several = hookd(server, "run", "--from", common)

    for ended in nowhere:
        assert ended.code == 2
        assert re.match(r"hookd: there is no run '.+'; the journal has 2, from \w{20} \(.* UTC\) to \w{20}", ended.err)
    assert (several.code, several.err) == (2, f"hookd: several runs begin with {common!r}: {first}, {second}\n")


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    """
    Without a journal, who writes it is told, and that it is switched off where it is; and none is made.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hookd.toml").write_text('[site]\nrecord = "off"\n')

    ended = Place(tmp_path).hookd("runs")

    assert ended.code == 2
    assert ended.err == (
        f"hookd: {tmp_path}/var/runs.sqlite: there is no journal; `hookd serve` writes it; "
        'record = "off" under [site], so the default site\'s runs are not recorded\n'
    )
    assert not (tmp_path / "var").exists()


def test_a_damaged_journal_is_told(place: Place) -> None:
    """
    A journal that cannot be read is the operator's to mend.
    """
    for path in (place.directory / "var").glob("runs.sqlite*"):
        path.write_bytes(b"no database at all, " * 500)

    ended = place.hookd("runs")

    assert ended.code == 2
    assert "var/runs.sqlite: is no database (file is not a database). Put back a copy, or move it away" in ended.err


# ---- asked again -----------------------------------------------------------------------------------------------


def test_a_run_is_asked_again(place: Place) -> None:
    """
    The hook as it is now gets the recorded request; what comes of it is compared with what was recorded.
    """
    first, second = (run["id"] for run in json.loads(place.hookd("runs", "--format", "json").out))
    same = place.hookd("run", "--from", first)
    failing = place.hookd("run", NEED, "--from", second)
    place.write(f"hooks/{NEED}.py", MENDED_HOOK)
    mended = place.hookd("run", "--from", second)
    document = place.hookd("run", "--from", second, "--format", "json").json()

    assert same.code == 0
    assert f"\nas recorded: outcome, reason and reply are those of run {first}\n" in same.out
    assert failing.code == 1
    assert mended.code == 0
    assert [line for line in mended.out.splitlines() if line.startswith("differs: ")] == [
        'differs: /outcome: recorded "fallback", now "ok"',
        'differs: /reason: recorded "error", now null',
        "differs: /reply/data/result: recorded true, now false",
    ]
    assert document["differences"][2] == {"path": "/reply/data/result", "recorded": True, "now": False}
    assert (document["outcome"], document["recorded"]["outcome"]) == ("ok", "fallback")


def test_a_run_is_asked_again_at_its_point_only(place: Place) -> None:
    """
    Another point than the recorded one, or none at all, is usage.
    """
    first = json.loads(place.hookd("runs", "--format", "json").out)[0]["id"]

    other, none = place.hookd("run", NEED, "--from", first), place.hookd("run")

    assert (other.code, other.err) == (2, f"hookd: run {first} is of {PHONE}, not of {NEED}\n")
    assert none.code == 2
    assert none.err.startswith("hookd: name a point, or a recorded run with --from. Points: ")


# ---- saved as a test -------------------------------------------------------------------------------------------


def test_a_run_becomes_a_test_that_passes(place: Place) -> None:
    """
    The case has the request, settings and time of now, and what the present hook makes of them; it passes.
    """
    first, second = (run["id"] for run in json.loads(place.hookd("runs", "--format", "json").out))
    place.write(f"hooks/{NEED}.py", MENDED_HOOK)

    saved = [place.hookd("runs", "save", run, "--as", "kept") for run in (first, second)]
    tested = place.hookd("test")
    place.write("hooks/settings.toml", "")
    later = place.hookd("test")
    again = place.hookd("runs", "save", first, "--as", "kept")

    assert [ended.code for ended in saved] == [0, 0]
    assert saved[0].out == f"hooks/tests/{PHONE}/kept.json\nNext:\n  hookd test {PHONE}/kept\n"
    assert saved[1].err.splitlines()[0] == ('/outcome: recorded "fallback", now "ok"; the test expects what is now')
    assert (tested.code, tested.out) == (0, "2 passed, 0 failed\n")
    assert later.code == 0  # the case has its settings
    assert again.code == 2
    assert again.err.endswith("kept.json: is there already; nothing was written\n")
    case = json.loads((place.directory / f"hooks/tests/{PHONE}/kept.json").read_text())
    assert list(case) == ["request", "settings", "now", "outcome", "reply"]
    assert case["settings"] == {"outside_line": True}


@pytest.mark.parametrize("name", ["../escape", "a/b", ".hidden", "", "a.b"])
def test_names_of_cases_stay_in_their_directory(place: Place, name: str) -> None:
    """
    A name that leads elsewhere, or is none, is refused.
    """
    first = json.loads(place.hookd("runs", "--format", "json").out)[0]["id"]

    ended = place.hookd("runs", "save", first, "--as", name)

    assert ended.code == 2
    assert ended.err == (
        f"hookd: {name!r} is no name of a case: letters, digits, - and _ are allowed, such as short-call\n"
    )


# ---- docs/journal.md -------------------------------------------------------------------------------------------

LINES = [line for block in blocks(PAGE, "sh") for line in block.text.splitlines() if line]


@pytest.mark.parametrize("line", LINES)
def test_commands_of_the_page_work(place: Place, server: Server, line: str) -> None:
    """
    Each command that docs/journal.md shows works as it stands, with an id that there is.
    """
    run = listed(server)[1]["id"]
    words = line.replace(SHOWN_ID, run).split()

    assert words.pop(0) == "hookd"
    if "--follow" in words:
        command = ["timeout", "--signal=INT", "5", sys.executable, "-m", "hookd", *words]
        ended = subprocess.run(command, cwd=place.directory, capture_output=True, text=True, timeout=60)
        assert (plain(ended.stdout), ended.stderr) == (FIRST + SECOND, "")
    else:
        done = place.hookd(*words)
        assert done.code == (1 if words[:2] == ["run", "--from"] else 0), done.err  # the hook still fails
        assert done.out


def test_the_list_of_the_page_is_what_is_printed(server: Server) -> None:
    """
    The list that docs/journal.md shows looks like one.
    """
    [shown] = followed(PAGE, "sh", "text").values()

    assert plain(shown) == FIRST + SECOND


def test_the_file_of_the_page_is_what_is_written(place: Place, server: Server) -> None:
    """
    The case that docs/journal.md names is written there.
    """
    place.hookd("runs", "save", listed(server)[1]["id"], "--as", "division")

    [named] = re.findall(r"`(hooks/tests/\S+\.json)`", PAGE.read_text("utf-8"))
    assert (place.directory / named).exists()
