"""
Where the jail does not hold, no hook is run, everybody is told, and no call is lost.

`benchmarks/unjailed.py` is hookd with every layer of the jail left out.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Server
from tests.test_ops import figure

POINT = "process_client_phone"
REQUEST = {"phone": "89001234567"}
HOOK = f"def {POINT}(request):\n    return {{'phone': '3'}}\n"


def unjailed(directory: Path) -> list[str]:
    return [
        sys.executable,
        str(ROOT / "benchmarks" / "unjailed.py"),
        "serve",
        "--config",
        str(directory / "hookd.toml"),
    ]


def serve_unjailed(serve: Callable[..., Server], tmp_path: Path, **options: Any) -> Server:
    return serve({f"{POINT}.py": HOOK}, command=unjailed(tmp_path / "server-0"), **options)


def test_below_the_floor_no_hook_is_run(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    Without a jail the connector gets its own values back with the reason isolation, readiness is 503 and says why.
    """
    server = serve_unjailed(serve, tmp_path, status=503)

    reply = server.post(POINT, REQUEST)
    assert (reply.status_code, reply.json()) == (200, {"data": REQUEST, "state": "success"})
    assert (reply.headers["Hookd-Outcome"], reply.headers["Hookd-Reason"]) == ("fallback", "isolation")
    told = server.explain(POINT, REQUEST)
    assert told["error"]["message"] == "hooks are not run: their isolation is L0 here, min_isolation is L2."
    assert told["isolation"] is None
    ready = server.get("readyz").json()
    assert ready["reasons"] == ["hooks are not run: their isolation is L0 here, min_isolation is L2"]
    assert ready["isolation"]["level"] == "L0"
    assert ready["isolation"]["layers"]["seccomp"] == "left out"
    assert server.lines("hooks_not_run")
    server.wait(lambda: "hookd_isolation_level" in server.get("metrics").text, "the figure")
    assert figure(server, "hookd_isolation_level") == 0


def test_a_weak_jail_that_is_allowed_is_told_everywhere(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    allow_weak_isolation runs the hooks all the same; log, readiness and every run say at which level.
    """
    server = serve_unjailed(serve, tmp_path, config="allow_weak_isolation = true\n")

    assert server.post(POINT, REQUEST).json()["data"] == {"phone": "3"}
    assert server.explain(POINT, REQUEST)["isolation"] == "L0"
    ready = server.get("readyz").json()
    assert (ready["isolation"]["level"], ready["isolation"]["allow_weak_isolation"]) == ("L0", True)
    (line,) = server.lines("weak_isolation_allowed")
    assert (line["isolation"], line["min_isolation"]) == ("L0", "L2")
    assert all(run["isolation"] == "L0" for run in server.lines("run"))


def test_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    """
    Without a jail the doctor fails, names every layer that is left out, and has a remedy for each.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hookd.toml").write_text("")
    command = [*unjailed(tmp_path)[:2], "doctor", "--format", "json", "--config", str(tmp_path / "hookd.toml")]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    document = json.loads(ended.stdout)
    found = [one for one in document["checks"] if one["check"] == "isolation"]
    assert (ended.returncode, document["verdict"]) == (1, "failure")
    assert found[0]["verdict"] == "failure"
    assert found[0]["message"].endswith("below min_isolation = L2: no hook is run")
    layers = [one["message"].split()[1] for one in found if one["message"].startswith("layer ")]
    assert {"landlock", "limits", "no_new_privs", "seccomp", "user", "pid", "net", "root"} <= set(layers)
    assert all(one["remedy"] for one in found)


def test_the_level_is_a_figure(serve: Callable[..., Server]) -> None:
    """
    hookd_isolation_level is the level that readiness tells, over all processes.
    """
    server = serve(processes=2)
    level = server.get("readyz").json()["isolation"]["level"]

    server.wait(lambda: figure(server, "hookd_isolation_level") == int(level[1:]), "the figure")
