"""
The benchmark's sums and words; that it is fast is for `make bench` to show, not for a test.
"""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import report, request, table
from benchmarks.__main__ import USAGE, main
from benchmarks.peers import PEERS, find
from benchmarks.report import Report
from benchmarks.table import Figures, Ratios
from benchmarks.wrk import Load, Round, WrkError, parse

KEPT_8 = Load(is_keep_alive=True, connections=8)
CLOSED_1 = Load(is_keep_alive=False, connections=1)

OUTPUT = """\
Running 2s test @ http://127.0.0.1:8080/process_client_phone
  1 threads and 8 connections
  Non-2xx or 3xx responses: 3
Requests/sec:   5000.00
{"requests": 10000, "duration_us": 2000000, "p50_us": 450, "p99_us": 2557, "errors": \
{"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 3, "wrong": 12}}
"""


def rounds(rates: Sequence[float]) -> list[Round]:
    """Rounds of which only the requests a second differ."""
    return [Round(rate, 0.4, 1.2, {}) for rate in rates]


def test_reads_what_wrk_counted() -> None:
    """
    The last line of wrk's output becomes requests a second and milliseconds; kinds of errors that did not occur go.
    """
    assert parse(OUTPUT) == Round(5000.0, 0.45, 2.557, {"status": 3, "wrong": 12})


@pytest.mark.parametrize("output", ["", "Requests/sec: 12\n", "{}\n", "[]\n", OUTPUT.replace("2000000", "0")])
def test_says_what_wrk_printed_instead_of_a_result(output: str) -> None:
    """
    An output without post.lua's line is an error that shows the output, never a figure.
    """
    with pytest.raises(WrkError) as caught:
        parse(output)

    assert str(caught.value) == f"wrk printed no result line: {output[-500:]!r}"


def test_takes_the_median_of_each_figure() -> None:
    """
    Each figure is the median of its own over the rounds; errors of all rounds are added up.
    """
    measured = [
        Round(4000.0, 0.5, 9.0, {"read": 1}),
        Round(1000.0, 0.4, 1.0, {}),
        Round(5000.0, 2.0, 3.0, {"read": 2, "wrong": 4}),
    ]

    assert table.figures(measured) == Figures(4000.0, 1000.0, 5000.0, 0.5, 3.0, {"read": 3, "wrong": 4})


def test_divides_ours_by_theirs() -> None:
    """
    A ratio is ours over theirs, and none where theirs is zero: a peer that answered nothing.
    """
    ours = Figures(9000.0, 9000.0, 9000.0, 0.2, 1.5, {})
    theirs = Figures(6000.0, 6000.0, 6000.0, 0.4, 0.0, {})

    assert table.ratios(ours, theirs) == Ratios(1.5, 0.5, None)


def test_shows_figures_ratios_and_errors() -> None:
    """
    One block a load, one line a peer; a peer with errors is marked with their number and kind.
    """
    results = {
        KEPT_8: {
            "hookd": Figures(9000.4, 8000.0, 9500.0, 0.2, 1.5, {}),
            "flask": Figures(6000.0, 6000.0, 6000.0, 0.4, 1.0, {"timeout": 2, "wrong": 1}),
        },
        CLOSED_1: {"flask": Figures(500.0, 400.0, 600.0, 1.0, 3.0, {})},
    }

    shown = table.render(results, "hookd")

    assert shown.splitlines() == [
        "keep-alive, 8 connections",
        "  peer   req/s    min–max  p50 ms  p99 ms  hookd/peer: req/s    p50    p99  errors",
        "  hookd   9000  8000–9500    0.20    1.50                  –      –      –  none",
        "  flask   6000  6000–6000    0.40    1.00              1.50×  0.50×  1.50×  ! 2 timeout, 1 wrong",
        "",
        "no keep-alive, 1 connection",
        "  peer   req/s  min–max  p50 ms  p99 ms  hookd/peer: req/s  p50  p99  errors",
        "  flask    500  400–600    1.00    3.00                  –    –    –  none",
    ]


def test_keeps_every_round_in_the_document() -> None:
    """
    The JSON document has the medians, the ratios and each round that they come from.
    """
    found = Report(
        time=datetime(2026, 5, 4, 10, 0, tzinfo=UTC),
        machine={"cores": "2"},
        request_bytes=1867,
        seconds=3,
        round_count=1,
        peers={"hookd": "hookd 0.1.0", "flask": "flask 3.1"},
        skipped={"nginx-php": "nginx is missing: apt-get install nginx-light"},
        failed={},
        rounds={KEPT_8: {"hookd": rounds([3000.0]), "flask": rounds([1500.0])}},
    )

    document = report.document(found, "hookd")

    figures = {"slowest_per_s": 1500.0, "fastest_per_s": 1500.0, "p50_ms": 0.4, "p99_ms": 1.2, "errors": {}}
    assert document["results"][1] == {
        "peer": "flask",
        "is_keep_alive": True,
        "connections": 8,
        "requests_per_s": 1500.0,
        **figures,
        "ratios": {"requests_per_s": 2.0, "p50_ms": 1.0, "p99_ms": 1.0},
        "rounds": [{"requests_per_s": 1500.0, "p50_ms": 0.4, "p99_ms": 1.2, "errors": {}}],
    }
    assert document["skipped"] == {"nginx-php": "nginx is missing: apt-get install nginx-light"}


def test_says_how_to_get_wrk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without wrk nothing is started; the message names the package, and the exit code is 2.
    """
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)

    assert main([]) == USAGE

    assert capsys.readouterr() == ("", "wrk is missing: apt-get install wrk\n")


def test_says_how_to_get_what_a_peer_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each program that a peer lacks is named, with the package that has it.
    """
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)

    assert {name: peer.missing() for name, peer in PEERS.items()} == {
        "hookd": ["hookd is missing: pip install -e ."],
        "unjailed": ["hookd is missing: pip install -e ."],
        "unrecorded": ["hookd is missing: pip install -e ."],
        "flask": ["gunicorn is missing: pip install gunicorn flask"],
        "functions-framework": ["functions-framework is missing: pip install functions-framework"],
        "nginx-php": [
            "nginx is missing: apt-get install nginx-light",
            "php-fpm is missing: apt-get install php-fpm",
        ],
    }


def test_finds_the_newest_of_versioned_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    php-fpm is found under the name that Debian gives it, and 8.10 is newer than 8.4.
    """
    for name in ("some-fpm8.4", "some-fpm8.10"):
        (tmp_path / name).write_text("#!/bin/sh\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find("some-fpm") == str(tmp_path / "some-fpm8.10")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "flask,nodejs"], f"nodejs: no such peer; there are {', '.join(PEERS)}"),
        (["--connections", "1,0"], "0: a whole number from 1 is wanted"),
        (["--rounds", "x"], "x: a whole number from 1 is wanted"),
    ],
)
def test_refuses_odd_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    An option that cannot be meant ends with 2, and says what may be given.
    """
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == USAGE
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_asks_for_something_that_the_hook_changes() -> None:
    """
    The request is some 2 KB with call_full, and its right reply differs from what a server without the hook answers.
    """
    body = request.body()

    assert 1500 < len(body) < 2500
    assert request.reply() == {"data": {"phone": "+79001234567"}, "state": "success"}
    assert request.is_reply(b'{"state":"success", "data":{"phone":"+79001234567"}}')
    assert not request.is_reply(b'{"data":{"phone":"8 (900) 123-45-67"},"state":"success"}')
    assert not request.is_reply(b"<html>")
