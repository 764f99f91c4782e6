"""
Hooks that are held back: paused by the breaker or in quarantine; told, and never a call lost.
"""

import time
from collections.abc import Callable
from typing import Any

from hookd import storage
from hookd.breaker import FAILURES
from tests.conftest import Server
from tests.test_ops import figure

POINT = "process_client_phone"
REQUEST = {"phone": "89001234567"}
ENDLESS = f"def {POINT}(request):\n    while request['phone'] != '1':\n        pass\n    return {{'phone': '2'}}\n"
GOOD = f"def {POINT}(request):\n    return {{'phone': '3'}}\n"
NOTHING = "def need_registration(request):\n    pass\n"
SHORT = f"[points.{POINT}]\ntimeout_s = 0.1\n"


def reason(server: Server, document: Any = None) -> str:
    reply = server.post(POINT, document or REQUEST)
    assert reply.status_code == 200
    if reply.headers["Hookd-Outcome"] == "fallback":
        assert reply.json() == {"data": document or REQUEST, "state": "success"}
    return reply.headers.get("Hookd-Reason", "")


def pause(server: Server) -> None:
    """Have the hook time out until it is paused; the breaker is each process's own, so a server of one is asked."""
    assert [reason(server) for _ in range(FAILURES)] == ["timeout"] * FAILURES


def test_a_hook_that_keeps_timing_out_is_paused(serve: Callable[..., Server]) -> None:
    """
    After five timeouts its runs fall back at once with reason paused; readiness stays and names it, other hooks go on.
    """
    server = serve({f"{POINT}.py": ENDLESS, "need_registration.py": NOTHING}, config=SHORT)
    pause(server)

    assert reason(server) == "paused"
    assert "the next try is in" in server.explain(POINT, REQUEST)["error"]["text"]
    assert server.explain(POINT, REQUEST)["times_ms"].keys() == {"validate", "total"}
    assert server.post("need_registration", {}).headers["Hookd-Outcome"] == "unchanged"
    ready = server.get("readyz")
    assert ready.status_code == 200
    (paused,) = ready.json()["paused"]
    assert (paused["site"], paused["hook"]) == ("default", POINT)
    assert 0 < paused["seconds"] <= 60
    server.wait(lambda: figure(server, 'hookd_paused_hooks{site="default"}') == 1, "the figure")
    (line,) = server.lines("hook_paused")
    assert (line["hook"], line["seconds"]) == (POINT, 60.0)


def test_saving_the_file_ends_the_pause(serve: Callable[..., Server]) -> None:
    """
    Another version of the file is run at once.
    """
    server = serve({f"{POINT}.py": ENDLESS}, config=SHORT)
    pause(server)
    server.write(f"{POINT}.py", GOOD)

    server.wait(lambda: server.post(POINT, REQUEST).json()["data"] == {"phone": "3"}, "the new version")
    assert server.get("readyz").json()["paused"] == []


def test_a_senders_short_limit_pauses_nothing(serve: Callable[..., Server]) -> None:
    """
    Timeouts that the sender asked for are not the hook's fault.
    """
    server = serve({f"{POINT}.py": ENDLESS})
    for _ in range(FAILURES + 2):
        short = server.post(POINT, REQUEST, headers={"Hookd-Deadline-Ms": "30"})
        assert short.headers["Hookd-Reason"] == "timeout"

    assert reason(server, {"phone": "1"}) == ""


def quarantine(server: Server, digest: str) -> None:
    rows = storage.Quarantine(server.directory / "var")
    rows.add("default", POINT, digest, "system call socket")
    rows.close()


def test_every_process_and_a_restart_keep_the_quarantine(serve: Callable[..., Server]) -> None:
    """
    A version that one process has put into quarantine is run by none, nor after a restart; another version is, and the
    old one put back is not.
    """
    server = serve({f"{POINT}.py": GOOD}, processes=2)
    digest = server.explain(POINT, REQUEST)["digest"]
    quarantine(server, digest)

    server.wait(lambda: all(reason(server) == "quarantined" for _ in range(8)), "the quarantine")
    assert "did what no hook may do (system call socket)" in server.explain(POINT, REQUEST)["error"]["text"]
    ready = server.get("readyz")
    assert ready.status_code == 200
    assert ready.json()["quarantined"] == [{"site": "default", "hook": POINT, "detail": "system call socket"}]
    server.wait(lambda: figure(server, 'hookd_quarantined_hooks{site="default"}') == 1, "the figure")

    server = serve(again=server, processes=2)
    assert reason(server) == "quarantined"
    server.write(f"{POINT}.py", GOOD + "# mended\n")
    server.wait(lambda: all(reason(server) == "" for _ in range(8)), "the mended version")
    server.write(f"{POINT}.py", GOOD)
    server.wait(lambda: all(reason(server) == "quarantined" for _ in range(8)), "the old version")


def test_a_damaged_database_costs_no_call(serve: Callable[..., Server]) -> None:
    """
    With an unreadable database hookd starts, says so once, and hooks run.
    """
    server = serve({f"{POINT}.py": GOOD})
    server.stop()
    (server.directory / "var" / storage.NAME).write_bytes(b"this is no database" * 100)

    server = serve(again=server)

    assert server.post(POINT, REQUEST).json()["data"] == {"phone": "3"}
    time.sleep(1.2)
    lines = [line for line in server.lines("quarantine_unreadable") if "is no database" in line["error"]]
    assert len(lines) == 1
