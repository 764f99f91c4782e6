"""
Logs say enough to find a call, and nothing that identifies a person or opens a door.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hookd import logs


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("call +79001234567 now", "call +*******4567 now"),
        ("8 (900) 123-45-67", "* (***) ***-45-67"),
        ("73432723033, 101 and 89001234567", "*******3033, 101 and *******4567"),
        ('{"phone":"79001234567"}', '{"phone":"*******4567"}'),
        ("linkedid 1700000000.12", "linkedid 1700000000.12"),
        ("at 2024-05-01 10:00:00", "at 2024-05-01 10:00:00"),
        ("room 123456", "room 123456"),
        ("Authorization: Bearer abcdefghij123", "Authorization: Bearer ***"),
        ("access_token=abcdefgh12345678&x=1", "access_token=***&x=1"),
        ("{'token': 'abcdefgh12345678'}", "{'token': '***'}"),
        ('{"client_secret":"abcdefgh12345678"}', '{"client_secret":"***"}'),
        ("Authorization: Basic YWJjOmRlZmdoaWo=", "Authorization: Basic ***"),
        ("https://user:pass@crm.example/x", "https://***@crm.example/x"),
        ("https://x.bitrix24.ru/rest/1/abcdefghij0123/crm", "https://x.bitrix24.ru/rest/1/***/crm"),
        ("auth[access_token]=abcdefgh12345678&x=1", "auth[access_token]=***&x=1"),
        ("auth%5Bapplication_token%5D=abcdefgh12345678", "auth%5Bapplication_token%5D=***"),
        ("/rest/app.info/?auth=abcdefgh12345678&x=1", "/rest/app.info/?auth=***&x=1"),
        ("AUTH_ID=abcdefgh12345678&REFRESH_ID=abcdefgh12345678", "AUTH_ID=***&REFRESH_ID=***"),
        ("/crm/?sessid=abcdefgh12345678", "/crm/?sessid=***"),
        ("8.900.123.45.67", "*.***.***.45.67"),
        ("8\u00a0900 123\t45 - 67", "*\u00a0*** ***\t45 - 67"),
        ("89001234567.0", "********567.0"),
        ("7343-27-23-033", "****-**-*3-033"),
    ],
)
def test_masks_numbers_and_tokens(text: str, masked: str) -> None:
    """
    Of a number the last four digits stay, of a token nothing; ids, dates and extensions are left alone.
    """
    assert logs.mask(text) == masked


@given(st.text("+ ()-", max_size=2), st.text("0123456789", min_size=7, max_size=15))
def test_no_number_of_a_person_survives(prefix: str, digits: str) -> None:
    """
    Whatever stands around it, at most four digits in a row are left of a number.
    """
    masked = logs.mask(f"x{prefix}{digits}y")

    assert len(masked) == len(prefix) + len(digits) + 2
    assert sum(character.isdigit() for character in masked) == logs.VISIBLE_DIGITS


@pytest.mark.parametrize("text", ["token" + " " * 60_000, "1-" * 30_000, "1" * 60_000, "(" * 60_000, "bearer " * 9000])
def test_masking_takes_time_with_the_length_only(text: str) -> None:
    """
    What a hook prints cannot hold up the log: a text is cut, and twice the text is not four times the work.
    """
    started = time.process_time()
    logs.mask(text[:2048])
    half = time.process_time() - started
    logs.mask(text)

    assert time.process_time() - started < max(20 * half, 0.5)
    assert len(logs.mask(text)) <= logs.LINE_CHARACTERS + 40


def test_a_log_that_nobody_reads_costs_nothing() -> None:
    """
    With standard error closed or full, logging goes on without a word.
    """
    script = "import structlog; from hookd import logs; logs.configure('json'); structlog.get_logger().error('x')"
    for end in ("2>&-", "2>/dev/full"):
        done = subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{script}; print(1)" {end}'], capture_output=True)
        assert done.stdout == b"1\n"


CRAMPED = """
import resource, structlog
from hookd import logs

logs.configure("json")
log = structlog.get_logger()
resource.setrlimit(resource.RLIMIT_FSIZE, (400, -1))
for number in range(9):
    log.info("cramped", number=number)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
for number in range(9, 12):
    log.info("cramped", number=number)
"""


def test_a_line_that_a_full_disk_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    """
    Of a log on a disk that was full for a while one line is cut off; the next that there is room for is whole.
    """
    path = tmp_path / "log"
    with path.open("wb") as log:
        subprocess.run([sys.executable, "-c", CRAMPED], check=True, stderr=log, timeout=60)

    lines = path.read_text().splitlines()

    cut = len(lines) - 4
    assert [json.loads(line)["number"] for line in lines[:cut]] == list(range(cut))
    assert lines[cut].startswith('{"time":"')
    assert not lines[cut].endswith("}")
    assert [json.loads(line)["number"] for line in lines[cut + 1 :]] == [9, 10, 11]


def test_writes_one_json_line_an_event(capfd: pytest.CaptureFixture[str]) -> None:
    """
    A line of the log is one JSON object with level, time, event and facts, whatever the facts hold.
    """
    logs.configure("json")

    structlog.get_logger("test").error("it_broke", text="a\nb\x1b", path=object, number=1)

    line = capfd.readouterr().err
    assert line.count("\n") == 1
    found = json.loads(line)
    assert set(found) == {"event", "level", "time", "text", "path", "number"}
    assert (found["event"], found["level"], found["text"], found["number"]) == ("it_broke", "error", "a\nb\x1b", 1)
