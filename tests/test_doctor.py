"""
`hookd doctor`: a verdict and a remedy for everything hookd depends on.
"""

import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hookd import cli, storage
from hookd.doctor import CHECKS, access, sandbox
from hookd.jobs import Jobs
from tests.conftest import free_port, start

HOOK = "def need_registration(request):\n    pass\n"


def diagnose(
    directory: Path, capsys: pytest.CaptureFixture[str], config: str = "", bind: str = ""
) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return the exit code of the doctor in *directory*, and its findings by check."""
    path = directory / "hookd.toml"
    path.write_text(f'bind = "{bind or f"127.0.0.1:{free_port()}"}"\n{config}')
    (directory / "hooks").mkdir(exist_ok=True)
    code = cli.main(["doctor", "--format", "json", "--config", str(path)])
    document = json.loads(capsys.readouterr().out)
    found: dict[str, list[dict[str, Any]]] = {}
    for one in document["checks"]:
        found.setdefault(one["check"], []).append(one)
    assert document["verdict"] in ("ok", "warning", "failure")
    assert (code == 1) == (document["verdict"] == "failure")
    return code, found


def verdicts(findings: list[dict[str, Any]]) -> list[str]:
    return [one["verdict"] for one in findings]


def test_every_check_says_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Every check has at least one finding, and what is not fine has a remedy.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "need_registration.py").write_text(HOOK)

    code, found = diagnose(tmp_path, capsys)

    assert code == 0
    assert list(found) == [check.name for check in CHECKS]
    assert all((one["verdict"] == "ok") == (one["remedy"] is None) for each in found.values() for one in each)
    assert found["hooks"] == [{"check": "hooks", "verdict": "ok", "message": "1 hook can be used", "remedy": None}]
    assert verdicts(found["server"]) == ["warning"]
    assert found["isolation"][0]["message"].startswith("L")


def test_text_is_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without --format json each finding is a line, and its remedy the next one.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "need_registration.py").write_text("import os\n")
    (tmp_path / "hookd.toml").write_text(f'bind = "127.0.0.1:{free_port()}"\n')

    code = cli.main(["doctor", "--config", str(tmp_path / "hookd.toml")])

    lines = capsys.readouterr().out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("FAILURE  hooks")]
    assert code == 1
    assert "need_registration.py:1: import os" in lines[place]
    assert lines[place + 1] == " " * 21 + "`hookd check` tells more."


def test_names_what_is_wrong_in_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Open secrets and tokens, a directory that anybody may write into, broken sites and hooks: each with its remedy.
    """
    hooks, state, secrets = tmp_path / "hooks", tmp_path / "var", tmp_path / "secrets"
    for directory in (hooks, state, secrets, tmp_path / "sites" / "a"):
        directory.mkdir(parents=True)
    hooks.chmod(0o777)
    state.chmod(0o755)
    secrets.chmod(0o755)
    (secrets / "KEY").write_text("secret")
    (secrets / "KEY").chmod(0o644)
    (tmp_path / "tokens").write_text("site-token-123456789\n")
    (tmp_path / "tokens").chmod(0o640)
    (tmp_path / "sites" / "a" / "site.toml").write_text("nonsense = 1\n")

    code, found = diagnose(tmp_path, capsys, '[site]\ntokens_file = "tokens"\n')

    assert code == 1
    assert {one["remedy"] for one in found["secrets"]} == {
        f"chmod 700 {secrets}",
        f"chmod 600 {secrets / 'KEY'}",
        f"chmod 600 {tmp_path / 'tokens'}",
    }
    assert [one["remedy"] for one in found["state"]] == [f"chmod 750 {state}"]
    assert found["hooks"][0]["remedy"] == f"chmod o-w {hooks}"
    assert [one["verdict"] for one in found["sites"]] == ["failure", "ok"]
    assert "nonsense: there is no such setting" in found["sites"][0]["message"]


def test_counts_the_files_with_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What is counted are files: the directory that they are in is none, though its rights are looked at.
    """
    (tmp_path / "secrets").mkdir(mode=0o700)

    _, none = diagnose(tmp_path, capsys)
    (tmp_path / "secrets" / "KEY").touch(mode=0o600)
    _, one = diagnose(tmp_path, capsys)

    assert [each["message"] for each in (*none["secrets"], *one["secrets"])] == [
        "0 files with tokens or secrets, none open to other users",
        "1 file with tokens or secrets, none open to other users",
    ]


def test_names_hooks_in_quarantine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A version that is in quarantine is a failure; one that is no more is none.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "need_registration.py").write_text(HOOK)
    cli.main(["check", "--format", "json", "--config", _config(tmp_path)])
    (hook,) = json.loads(capsys.readouterr().out)["hooks"]
    rows = storage.Quarantine(tmp_path / "var")
    rows.add("default", "need_registration", hook["digest"], "system call socket")
    rows.add("default", "need_registration", "0" * 64, "system call fork")
    rows.close()

    code, found = diagnose(tmp_path, capsys)

    assert code == 1
    assert [one["message"] for one in found["quarantine"]] == [
        "site default: need_registration: did what no hook may do: system call socket"
    ]


def _config(directory: Path) -> str:
    path = directory / "hookd.toml"
    path.write_text("")
    return str(path)


HAS = "site default: 9 jobs and events have not ended"


@pytest.mark.parametrize(
    ("limits", "verdict", "said"),
    [
        ("", "ok", "9 jobs and events have not ended, and every site has room for more"),
        ("jobs_waiting_max = 10", "warning", f"{HAS} (at most 10); 0 MB with those that have (at most 1024)"),
        (
            "jobs_waiting_max = 9",
            "failure",
            f"{HAS} (at most 9); 0 MB with those that have (at most 1024): no more are taken",
        ),
        (
            "jobs_mb_max = 0",
            "failure",
            f"{HAS} (at most 10000); 0 MB with those that have (at most 0): no more are taken",
        ),
    ],
)
def test_tells_sites_that_may_promise_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limits: str, verdict: str, said: str
) -> None:
    """
    A site whose jobs have come to their limit is a failure, one where they come near it a warning.
    """
    jobs = Jobs(tmp_path / "var")
    for _ in range(9):
        jobs.enqueue("default", "note", 1)
    jobs.close()

    _, found = diagnose(tmp_path, capsys, f"[site]\n{limits}\n")

    [one] = found["inbox"]
    assert (one["verdict"], one["message"]) == (verdict, said)


def test_asks_the_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A server that is ready is fine; a port that is taken by something else is a failure.
    """
    server = start(tmp_path)
    try:
        _, found = diagnose(tmp_path, capsys, bind=f"127.0.0.1:{server.port}")
    finally:
        server.stop()
    assert found["server"] == [
        {"check": "server", "verdict": "ok", "message": f"127.0.0.1:{server.port} is ready", "remedy": None}
    ]

    with socket.create_server(("127.0.0.1", 0)) as other:
        other.listen()
        code, found = diagnose(tmp_path, capsys, bind=f"127.0.0.1:{other.getsockname()[1]}")
    assert code == 1
    assert "is taken by a program that is not hookd" in found["server"][0]["message"]


def test_knows_the_hookd_of_another_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A hookd that is ready, but keeps its state elsewhere, is not this installation's.
    """
    other, own = tmp_path / "other", tmp_path / "own"
    other.mkdir()
    own.mkdir()
    server = start(other)
    try:
        code, found = diagnose(own, capsys, bind=f"127.0.0.1:{server.port}")
    finally:
        server.stop()

    what = f"127.0.0.1:{server.port} is taken by the hookd of another installation: its state is {other / 'var'}, "
    assert code == 1
    assert found["server"] == [
        {
            "check": "server",
            "verdict": "failure",
            "message": f"{what}this one's {own / 'var'}",
            "remedy": "Stop it, or set another bind.",
        }
    ]


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ("bind = 5\nstat = 1\n", ["bind = 5: ", "stat: there is no such setting; did you mean state? "]),
        ("[site\n", ["is no TOML: "]),
        ("[points.nix]\ntimeout_s = 1\n", ["[points.nix]: there is no such point"]),
    ],
)
def test_looks_at_the_machine_where_the_settings_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, wrong: list[str]
) -> None:
    """
    Each fault of hookd.toml is a failure, for people and programs; what needs no settings is looked at all the same.
    """
    path = tmp_path / "hookd.toml"
    path.write_text(config)
    (tmp_path / "hooks").mkdir()

    code = cli.main(["doctor", "--format", "json", "--config", str(path)])
    document = json.loads(capsys.readouterr().out)
    text_code = cli.main(["doctor", "--config", str(path)])
    lines = capsys.readouterr().out.splitlines()

    faults = [one for one in document["checks"] if one["check"] == "settings"]
    assert (code, text_code, document["verdict"]) == (1, 1, "failure")
    assert verdicts(faults) == ["failure"] * len(wrong)
    for fault, part in zip(faults, wrong, strict=True):
        assert fault["message"].startswith(f"{path}: {part}")
        assert f"FAILURE  settings    {fault['message']}" in lines
    rest = {one["check"]: one["verdict"] for one in document["checks"] if one["check"] != "settings"}
    assert list(rest) == ["python", "kernel", "isolation", "user", "clock", "schemas"]
    assert "failure" not in rest.values()


def test_tells_open_sites_and_web_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A site without a token on an address that others reach is a failure.
    """
    (tmp_path / "sites" / "a").mkdir(parents=True)

    code, found = diagnose(
        tmp_path, capsys, '[site]\ntokens = ["site-token-123456789"]\n', bind=f"0.0.0.0:{free_port()}"
    )

    assert code == 1
    assert verdicts(found["access"]) == ["failure"]
    assert found["access"][0]["message"].endswith("without a token: a")


def test_sees_who_listens(tmp_path: Path) -> None:
    """
    Ports of both families are read as the kernel shows them; others, and files that are not there, do not count.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port in access.listening_ports()
    assert port not in access.listening_ports()
    assert access.listening_ports((tmp_path / "none",)) == []


@pytest.mark.parametrize(
    ("layer", "environment", "part"),
    [
        ("landlock", {}, "5.13"),
        ("seccomp", {}, "CONFIG_SECCOMP_FILTER"),
        ("user", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "L3 is what it can have"),
    ],
)
def test_remedies_fit_the_environment(layer: str, environment: Mapping[str, str], part: str) -> None:
    """
    Each layer has a remedy that names what to do where this process runs.
    """
    assert part in sandbox.remedy(layer, environment)


def test_state_that_cannot_be_written_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A state directory whose place is a file keeps hookd from what it promises.
    """
    (tmp_path / "file").write_text("")

    code, found = diagnose(tmp_path, capsys, 'state = "file/var"\n')

    assert code == 1
    assert "cannot be written" in found["state"][0]["message"]
    assert stat.S_ISREG(os.stat(tmp_path / "file").st_mode)
