"""
What people and monitoring see: the list of points, health, readiness, figures, log lines.
"""

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from hookd import figure_files
from hookd.points import POINTS
from tests.conftest import Server, command_of, is_alive, start

PHONE = "process_client_phone"
REQUEST = {"phone": "89001234567", "call_full": {"channel": {"id": "1700000000.11"}}}
HOOKS = {
    f"{PHONE}.py": f"def {PHONE}(request):\n    print('who calls:', request['phone'])\n    return {{'phone': '1'}}\n",
    "need_registration.py": "def need_registration(request):\n    return {'result': 1 / 0}\n",
}
OPERATOR, SITE = "operator-token-12345", "site-token-123456789"


def figure(server: Server, name: str, **headers: str) -> float:
    text = server.get("metrics", headers=headers).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_lists_the_points_with_requests_that_work(serve: Callable[..., Server]) -> None:
    """
    GET / names every point with a curl line, and each of them works as it stands.
    """
    server = serve()

    reply = server.get("")

    assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = reply.text.splitlines()
    assert lines[0].startswith("hookd ")
    assert [line.partition(":")[0] for line in lines if re.match(r"[a-z_]+: ", line)] == list(POINTS)
    for line in lines:
        if line.startswith("  curl "):
            done = subprocess.run([*shlex.split(line), "--silent"], capture_output=True, check=True, timeout=20)
            assert json.loads(done.stdout)["state"] == "success"


def test_figures_add_up_over_the_processes(serve: Callable[..., Server]) -> None:
    """
    /metrics counts every run once, whichever process it ran in, by site, point, outcome and reason, with its seconds.
    """
    server = serve(HOOKS, processes=2)
    with ThreadPoolExecutor(8) as threads:
        for path in (PHONE, "need_registration", "process_user_phone"):
            list(threads.map(lambda _, path=path: requests.post(f"{server.url}/{path}", json=REQUEST), range(20)))
    requests.post(f"{server.url}/{PHONE}", data=b"nope")

    def counted(point: str, outcome: str, reason: str) -> float:
        labels = f'outcome="{outcome}",point="{point}",reason="{reason}",site="default"'
        return figure(server, f"hookd_runs_total{{{labels}}}")

    server.wait(lambda: counted("process_user_phone", "unchanged", "no_hook") == 20, "the figures")
    server.wait(lambda: counted(PHONE, "ok", "") == 20, "the figures")
    server.wait(lambda: counted("need_registration", "fallback", "error") == 20, "the figures")
    assert figure(server, 'hookd_run_seconds_count{phase="total"}') == 60
    assert figure(server, 'hookd_run_seconds_count{phase="hook"}') == 40
    assert figure(server, 'hookd_refused_total{code="not_json"}') == 1
    assert 2 <= figure(server, 'hookd_reloads_total{result="ok",site="default"}') <= 4  # two hooks, two processes
    assert 2 <= figure(server, "hookd_workers{") <= 16
    assert figure(server, "hookd_waiting_runs") == 0


def test_an_ended_process_leaves_no_workers_in_the_figures(serve: Callable[..., Server]) -> None:
    """
    Counters of a process that died stay, its gauges go.
    """
    server = serve(HOOKS)
    labels = f'outcome="ok",point="{PHONE}",reason="",site="default"'
    server.post(PHONE, REQUEST)
    server.wait(lambda: figure(server, f"hookd_runs_total{{{labels}}}") == 1, "the count")
    before = figure(server, "hookd_workers{")
    http = server.http()[0]

    subprocess.run(["kill", "-9", str(http)], check=True)
    server.session.close()
    server.wait(lambda: _is_up(server), "a new process")

    server.wait(lambda: figure(server, "hookd_workers{") <= before, "the figures")
    assert figure(server, f"hookd_runs_total{{{labels}}}") == 1


def _is_up(server: Server) -> bool:
    try:
        return server.get("readyz").status_code == 200
    except requests.ConnectionError:
        return False


def figures(server: Server) -> Path:
    """Return the directory of the server's figures."""
    [pid] = server.http()
    found = Path(figure_files.ROOT).glob(f"{figure_files.PREFIX}*/counter_{pid}.db")
    return max(found, key=lambda path: path.stat().st_mtime).parent


def test_a_start_removes_what_killed_servers_left(serve: Callable[..., Server]) -> None:
    """
    A server that is killed leaves its figures in memory: the next start removes them, but as long as one of its
    processes lives; those of a server that serves stay.
    """
    living, killed = serve(), serve()
    kept, left = figures(living), figures(killed)
    [http] = killed.http()
    [gunicorn] = [pid for pid in killed.descendants() if b"gunicorn" in command_of(pid) and pid != http]
    os.kill(http, signal.SIGSTOP)
    for pid in (killed.process.pid, gunicorn):
        os.kill(pid, signal.SIGKILL)
    killed.process.wait()

    serve()
    while_one_lives = left.exists()
    os.kill(http, signal.SIGKILL)
    killed.wait(lambda: not is_alive(http), "the end")
    last = serve()

    assert (while_one_lives, left.exists(), kept.exists(), figures(last).exists()) == (True, False, True, True)
    assert figure(living, "hookd_workers{") >= 1


def test_readiness_tells_operators_the_details(serve: Callable[..., Server]) -> None:
    """
    /readyz says whether hooks run to anybody, and how things are to operators and this machine.
    """
    server = serve(HOOKS, config=f'operator_tokens = ["{OPERATOR}"]\n[site]\ntokens = ["{SITE}"]\n')

    stranger = server.get("readyz", headers={"X-Forwarded-For": "203.0.113.5"})
    operator = server.get("readyz", headers={"X-Forwarded-For": "203.0.113.5", "Authorization": f"Bearer {OPERATOR}"})

    assert (stranger.status_code, stranger.json()) == (200, {"state": "ready"})
    found = operator.json()
    asked = {
        "state",
        "reasons",
        "hookd",
        "state_directory",
        "workers",
        "waiting",
        "sites",
        "unusable_sites",
        "consumer",
    }
    assert set(found) == asked | {"isolation", "paused", "quarantined"}
    assert (found["state"], found["reasons"], found["unusable_sites"]) == ("ready", [], {})
    assert set(found["sites"]["default"]["hooks"]) == {PHONE, "need_registration"}


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [
        ("healthz", "", 200),
        ("readyz", "", 200),
        ("metrics", "", 401),
        ("metrics", SITE, 403),
        ("metrics", OPERATOR, 200),
        ("", "", 401),
        ("", SITE, 200),
        ("", OPERATOR, 200),
        ("nowhere", "", 404),
    ],
)
def test_who_may_see_what(guarded: Server, path: str, token: str, status: int) -> None:
    """
    Health and readiness are for anybody, figures for operators, the list of points for whoever has a token.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    assert guarded.get(path, headers=headers).status_code == status


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with tokens for operators and for the default site."""
    config = f'operator_tokens = ["{OPERATOR}"]\n[site]\ntokens = ["{SITE}"]\n'
    started = start(tmp_path_factory.mktemp("guarded"), config=config)
    yield started
    started.stop()


def test_one_line_a_run(serve: Callable[..., Server]) -> None:
    """
    The log has one JSON line for each run, with the id that the reply had, and no number in it.
    """
    server = serve(HOOKS)
    good, bad = server.post(PHONE, REQUEST), server.post("need_registration", REQUEST)

    server.wait(lambda: len(server.lines("run")) == 2, "the lines")

    [first, second] = server.lines("run")
    for line in (first, second):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", line.pop("time"))
        assert line.pop("ms") >= 0
        assert re.fullmatch("L[0-4]", line.pop("isolation"))
    common = {"event": "run", "site": "default", "call": "1700000000.11"}
    assert first == {
        **common,
        "level": "info",
        "run": good.headers["Hookd-Run-Id"],
        "point": PHONE,
        "outcome": "ok",
        "print": "who calls: *******4567\n",
    }
    assert second == {
        **common,
        "level": "warning",
        "run": bad.headers["Hookd-Run-Id"],
        "point": "need_registration",
        "outcome": "fallback",
        "reason": "error",
        "error": "need_registration.py:2: ZeroDivisionError: division by zero. The conversation is registered. [error]",
    }
    assert "9001234567" not in server.log()


def test_refusals_are_logged_without_numbers(serve: Callable[..., Server]) -> None:
    """
    What a sender got wrong is one line, with its code and where it came from.
    """
    server = serve()

    server.post(PHONE, {"phone": {"number": "+79001234567"}})

    server.wait(lambda: bool(server.lines("refused")), "the line")
    [line] = server.lines("refused")
    assert (line["code"], line["path"], line["client"]) == ("contract", f"/{PHONE}", "127.0.0.1")
    assert "9001234567" not in server.log()
