"""
`records`: what hooks may ask of recordings, how they are found, and what they are told.
"""

import os
import re
import shutil
import textwrap
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hookd import answers, settings
from hookd.errors import SettingsError
from hookd.points import POINTS, RECORD_POINT
from hookd.runs import Run
from hookd.sandbox import signatures
from hookd.sandbox.pure import ToolError
from hookd.tools import audio, conversion
from hookd.tools.records import DAY_DIRECTORIES, Records
from tests.recordings import LINKEDID, Box, probe
from tests.test_worker import Loop

NEEDS_FFMPEG = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
PAGE = Path(__file__).parent.parent / "docs" / "records.md"
MOSCOW = ZoneInfo("Europe/Moscow")


def test_a_hook_asks_whether_a_recording_is_there(box: Box) -> None:
    """
    A file counts, and nothing else; a directory that is missing, or is a file, is no error.
    """
    there = box.write("2023/11/15/a.wav", b"x")
    asked = [there, there.with_name("b.wav"), there.parent, box.root / "1999/01/01/a.wav", there / "a.wav"]

    assert [box.ask("exists", path=str(path)) for path in asked] == [True, False, False, False, False]


@pytest.mark.parametrize("directory", [".", "2023/11/15", "2023-11-15", "20231115", "2023/11", "2023/11/14"])
def test_a_recording_is_found_by_the_id_of_its_call(box: Box, directory: str) -> None:
    """
    Whichever way the telephone system orders its days, the id says which one it is; 22:13 UTC is the 15th in Moscow.
    """
    box.write(f"{directory}/in-101-1700000000.123.wav", b"longer")
    box.write(f"{directory}/in-101-{LINKEDID}.txt", b"no recording")
    there = box.write(f"{directory}/in-101-{LINKEDID}.wav", b"x")

    assert box.ask("find", parts=LINKEDID) == str(there)
    assert box.ask("find", parts="1700000000.1") is None


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ("9001234567", "in-79001234567-101.wav"),
        (["9001234567", "-102"], "in-79001234567-102.mp3"),
        (["9001234567", "-103"], None),
        (["in-7900.*"], None),
        ("directory", None),
        ("link", None),
    ],
)
def test_a_recording_is_found_by_parts_of_its_name(box: Box, parts: Any, expected: str | None) -> None:
    """
    All parts are in the name, as they are; of several recordings the newest of today or yesterday is it.
    """
    today = datetime.now(MOSCOW).strftime("%Y/%m/%d")
    box.write(f"{today}/in-79001234567-102.mp3", b"x", age_s=200)
    box.write(f"{today}/in-79001234567-101.wav", b"x", age_s=100)
    box.write("2001/01/01/in-79001234567-103.wav", b"x")
    (box.root / today / "directory.wav").mkdir()
    (box.root / today / "link.wav").symlink_to("/etc/passwd")

    found = box.ask("find", parts=parts)

    assert found == (str(box.root / today / expected) if expected else None)


def test_a_recording_is_found_near_another(box: Box) -> None:
    """
    A directory of any form is looked through first when some file in it is named; it has to be below a root.
    """
    there = box.write(f"queue/7/{LINKEDID}.wav", b"x")

    assert box.ask("find", parts=LINKEDID) is None
    assert box.ask("find", parts=LINKEDID, near=str(there.with_name("whatever.wav"))) == str(there)
    assert box.ask("find", parts="passwd", near="/etc/hosts") is None


def test_a_look_through_many_names_ends_at_the_deadline(box: Box) -> None:
    """
    A directory with years of recordings does not hold a run longer than it may take.
    """
    box.write(f"{LINKEDID}.wav", b"x")

    assert "not over in time, with" in box.refusal("find", parts=LINKEDID, seconds=0)


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("convert", {"to": "ogg"}, "to is 'ogg'. Recordings become 'mp3' or 'wav'."),
        ("convert", {"bitrate": 33}, "bitrate is 33. An mp3 of speech has one of 8, 16, 24, 32, 40,"),
        ("convert", {"to": "wav", "bitrate": 32}, "wav has no bitrate. Leave it out."),
        ("find", {"parts": "101"}, "['101'] is in too many names. Give 4 characters: call.linkedid, a date."),
        ("find", {"parts": []}, "[] is in too many names."),
        ("find", {"parts": [101]}, "parts is text, or a list of up to 10 texts. Such as records.find(call.linkedid)."),
        ("find", {"parts": ["abcd"] * 11}, "parts is text, or a list of up to 10 texts."),
    ],
)
def test_what_makes_no_sense_is_told(box: Box, method: str, arguments: dict[str, Any], told: str) -> None:
    """
    A value that cannot be meant is an error that lists those that can.
    """
    path = {} if method == "find" else {"path": str(box.write("a.wav", b"x"))}

    assert f"records.{method}: {told}" in box.refusal(method, **path, **arguments)


@pytest.mark.parametrize(
    ("method", "arguments", "told"),
    [
        ("exists", {}, "records.exists is called without path."),
        ("convert", {"path": 1}, "records.convert: path is text, not int."),
        ("convert", {"path": "/a", "quality": 1}, "records.convert has no quality."),
        ("find", {"parts": {}}, "records.find: parts is text or a list, not dict."),
    ],
)
def test_arguments_are_of_their_types(method: str, arguments: dict[str, Any], told: str) -> None:
    """
    The worker says what a call takes, before anything is sent.
    """
    with pytest.raises(ToolError, match=told):
        signatures.bind("records", method, (), arguments)


def test_commands_only_look(tmp_path: Path) -> None:
    """
    What changes nothing is done by commands, too; of a conversion they say which path would come out.
    """
    methods = Records(tmp_path).methods()

    assert {name: method.is_acting for name, method in methods.items()} == {
        "exists": False,
        "find": False,
        "convert": True,
    }
    assert methods["convert"].pretend({"path": "/a/b.wav", "to": "mp3"}) == "/a/b.mp3"
    assert (methods["exists"].pretend({}), methods["find"].pretend({})) == (True, None)


def test_the_record_of_a_run_names_the_file(tmp_path: Path) -> None:
    """
    Not the whole path.
    """
    methods = Records(tmp_path).methods()

    assert methods["convert"].summary({"path": "/var/spool/a.wav"}) == "a.wav"
    assert methods["find"].summary({"parts": ["a", "b"]}) == "a b"


def test_who_may_not_look_is_told_so(tmp_path: Path) -> None:
    """
    A directory that hookd's user may not enter is an error, not a missing recording.
    """
    if os.geteuid() == 0:
        pytest.skip("root may look everywhere")
    box = Box(tmp_path)
    path = box.write("day/a.wav", b"x")
    path.parent.chmod(0)

    try:
        assert f"records.exists: {path} cannot be looked at: Permission denied." in box.refusal(
            "exists", path=str(path)
        )
    finally:
        path.parent.chmod(0o700)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('records_roots = "/a"', "a list of absolute paths is expected"),
        ('records_roots = ["monitor"]', "an absolute path is expected"),
        ('records_roots = ["/"]', "an absolute path is expected"),
        ('records_out = "../out"', "an absolute path is expected"),
        ('records_out = "/a/../b"', "an absolute path is expected"),
        ("records_days = 0", "an integer from 1 to 3650 is expected"),
    ],
)
def test_settings_are_checked(tmp_path: Path, line: str, fault: str) -> None:
    """
    Directories are absolute, and never the whole machine.
    """
    config = tmp_path / "hookd.toml"
    config.write_text(f"[site]\n{line}\n")

    with pytest.raises(SettingsError, match=fault):
        settings.load(config, tmp_path)


def test_every_method_is_documented() -> None:
    """
    docs/records.md has a row for each method, as it is called, and names the formats, bit rates and limits of the code.
    """
    text = PAGE.read_text("utf-8")
    flowing = " ".join(text.split())

    rows = re.findall(r"^\| `records\.(\w+)\((.*?)\)` \|", text, flags=re.MULTILINE)
    documented = {name: [part.partition("=")[0] for part in arguments.split(", ")] for name, arguments in rows}
    assert documented == {
        name: [parameter.name for parameter in parameters]
        for name, parameters in signatures.SIGNATURES["records"].items()
    }
    assert f"one of {', '.join(map(str, audio.BITRATES))} kbit/s; {audio.BITRATE} where none is named" in flowing
    assert f"for {conversion.CLOSED_S:g} s." in flowing
    assert f"{conversion.QUIET_S:g} s without a change" in flowing
    days = [datetime(2025, 5, 12, tzinfo=MOSCOW).strftime(form) for form in DAY_DIRECTORIES if form]
    assert ", ".join(f"`{day}`" for day in days) in flowing


# From a hook, through a worker.


@pytest.fixture
def loop(tmp_path: Path, box: Box) -> Iterator[Loop]:
    (tmp_path / "service").mkdir()
    found = Loop(tmp_path / "service", f'[site]\nrecords_roots = ["{box.root}"]\n')
    yield found
    found.close()


def run(loop: Loop, body: str, path: str) -> Run:
    """Run *body* as the hook for recordings, which has the time that a conversion takes."""
    point = POINTS[RECORD_POINT]
    lines = "".join(f"    {line}\n" for line in body.splitlines())

    async def ask() -> Run:
        site = loop.service.sites.get("default")
        assert site is not None
        (loop.directory / "hooks" / f"{point.name}.py").write_text(f"def {point.name}(request, records):\n{lines}")
        await site.hooks.refresh()
        runner = loop.service.runner
        return await runner.run(site, point, {"path": path}, started=time.monotonic(), stand_in=answers.act)

    return loop.do(ask())


@NEEDS_FFMPEG
def test_a_hook_converts_a_recording(loop: Loop, box: Box, wav: bytes) -> None:
    """
    A hook hands the path over and gets another one; the call is in the record of the run, with the file's name.
    """
    path = box.write("a.wav", wav)

    found = run(loop, 'return {"path": records.convert(request["path"])}', str(path))

    assert found.outcome == "ok", found.error
    assert probe(Path(found.reply["data"]["path"]))["codec"] == "mp3"
    assert [call.name for call in found.calls] == ["records.convert a.wav"]


def test_a_hook_goes_on_without(loop: Loop, box: Box) -> None:
    """
    What cannot be done is an error that a hook may catch; one that does not is told in full, and the original goes out.
    """
    convert = 'return {"path": records.convert(request["path"])}'

    went_on = run(loop, f"try:\n    {convert}\nexcept Exception as error:\n    print(error)", "/etc/passwd")
    failed = run(loop, convert, "/etc/passwd")

    outside = f"records.convert: /etc/passwd is outside of the directories for recordings. They are {box.root}"
    assert (went_on.outcome, outside in went_on.printed) == ("unchanged", True)
    assert (failed.outcome, failed.reply["data"]) == ("fallback", {"path": "/etc/passwd"})
    assert outside in str(failed.error)


@NEEDS_FFMPEG
def test_the_hook_that_is_shown_works(loop: Loop, box: Box, wav: bytes) -> None:
    """
    The hook of docs/records.md finds a recording under another name than the connector has, and converts it.
    """
    shown = PAGE.read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    body = textwrap.dedent(shown.partition("records):\n")[2]).replace("call.linkedid", f"'{LINKEDID}'")
    there = box.write(f"2023/11/15/in-{LINKEDID}.wav", wav)

    found = run(loop, body, str(there.with_name("other.wav")))

    assert found.outcome == "ok", found.error
    assert Path(found.reply["data"]["path"]).name == f"in-{LINKEDID}.mp3"
