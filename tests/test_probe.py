"""
The probe at a start, in real zygotes: as whoever runs the tests and as an ordinary user, and what it says of holes.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hookd.sandbox.attempts import Targets, outcome
from hookd.sandbox.isolation import ALONE, ATTEMPTS, BENEATH, DONE, level, read_report
from hookd.sandbox.jail import landlock
from hookd.sandbox.launcher import ENVIRONMENT
from tests.conftest import SOMEBODY, is_alive

SECONDS = 60.0
UNUSED = 61182  # a user id that nobody has, so that RLIMIT_NPROC counts nobody else
# What a start as an ordinary user needs and cannot read where Python lies in somebody's home: it is loaded before.
AS_SOMEBODY = """
import ctypes, os, resource, sys
from hookd.sandbox import forker, worker, zygote
worker.warm_up()
os.setgroups([])
os.setresgid(USER, USER, USER)
os.setresuid(USER, USER, USER)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
LIMIT
zygote.main()
"""
AS_ORDINARY_USER = AS_SOMEBODY.replace("USER", str(SOMEBODY)).replace("LIMIT", "")
# A start under a container's filter, which refuses namespaces, mounts and tracing: to whoever is not root for good.
AS_IN_A_CONTAINER = """
import errno
from hookd.sandbox import zygote
from hookd.sandbox.jail import kernel, seccomp
from hookd.sandbox.jail.syscalls import TABLES
refused = [TABLES[kernel.machine()][name] for name in ("unshare", "mount", "pivot_root", "ptrace", "setns")]
code = [(seccomp.LOAD, 0, 0, seccomp.NUMBER_AT)]
for number in refused:
    code += [(seccomp.JUMP_EQUAL, 0, 1, number), (seccomp.RETURN, 0, 0, seccomp.ERRNO | errno.EPERM)]
code.append((seccomp.RETURN, 0, 0, seccomp.ALLOW))
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(b"".join(seccomp.INSTRUCTION.pack(*instruction) for instruction in code))
zygote.main()
"""
# A start in a unit of systemd's that kills for each call that its list lacks.
AS_IN_A_DEADLY_UNIT = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from tests.raw import outer
outer.load("systemd", deadly=True, **json.loads(sys.argv.pop(1)))
from hookd.sandbox import zygote
zygote.main()
"""
# A start by somebody who ignores the ends of children, and blocks every signal; with a descriptor to spare.
AFTER_A_CARELESS_PARENT = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGABRT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.dup2(os.open("/etc/passwd", os.O_RDONLY), 300)
os.execv(sys.executable, [sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote", *sys.argv[1:]])
"""
# The probe in a process without namespaces, with a filter, Landlock or results of the warm-up that are not as they
# should be.
BARE = """
import json, os
from hookd.sandbox import jail, probe, worker
from hookd.sandbox.jail import landlock, namespaces
from hookd.sandbox.surroundings import Surroundings, listen
fd, address = listen()
reasons = dict.fromkeys(namespaces.LAYERS, "left out: EPERM")
results = worker.warm_up()
nothing = os.open("/dev/null", os.O_RDWR)
prepared = jail.prepare()
jail.no_new_privileges()
"""


@contextmanager
def zygote(command: list[str]) -> Iterator[tuple[socket.socket, dict[str, Any], int]]:
    """Start a zygote by *command*; give its control socket, its report and its process id."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(SECONDS)
    with ours, theirs:
        process = subprocess.Popen(
            [*command, str(theirs.fileno()), str(os.getpid())], env=ENVIRONMENT, cwd="/", pass_fds=(theirs.fileno(),)
        )
        theirs.close()
        try:
            news = json.loads(ours.recv(32_768))
            assert news["op"] == "up"
            yield ours, news["isolation"], process.pid
        finally:
            ours.close()
            assert process.wait(SECONDS) == 0


def bare(source: str) -> dict[str, Any]:
    """Return the report that the probe in BARE and *source* makes."""
    code = BARE + source + "\nprint(json.dumps(report))"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


SURROUNDINGS = "surroundings = Surroundings(-1, nothing, fd, os.getppid(), address, os.getuid(), reasons)\n"


def test_every_attempt_is_denied() -> None:
    """
    A zygote of whoever runs the tests holds with all layers in force, behaves as before, and says what it saw.
    """
    with zygote([sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote"]) as (_, report, _):
        pass

    assert report["attempts"].keys() == ATTEMPTS.keys()
    assert tuple(report["beneath"]) == BENEATH
    assert tuple(report["alone"]) == ALONE
    assert DONE not in report["attempts"].values()
    assert report["differences"] == []
    assert report["times_ms"].keys() == {"warm_up", "probe", "lock"}
    assert read_report(report).level >= 2
    if os.getuid() == 0:
        assert report["layers"]["uid"] == ""
        assert 61184 <= report["uid"] < 65520


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without other processes")
@pytest.mark.parametrize("limit", ["NOFILE, (12, 12)", "NPROC, (3, 3)", "NPROC, (4, 4)"])
def test_a_start_needs_little(limit: str) -> None:
    """
    A dozen descriptors, or one process beside the zygote's two, are enough to be as well locked as ever.
    """
    command = AS_SOMEBODY.replace("USER", str(UNUSED)).replace("LIMIT", f"resource.setrlimit(resource.RLIMIT_{limit})")

    with zygote([sys.executable, "-I", "-B", "-c", AS_ORDINARY_USER]) as (_, report, _):
        expected = read_report(report)
    with zygote([sys.executable, "-I", "-B", "-c", command]) as (_, report, _):
        found = read_report(report)

    assert (found.level, found.layers, found.differences) == (expected.level, expected.layers, ())
    assert set(found.attempts.values()) & {DONE} == set()


@pytest.mark.skipif(os.getuid() != 0, reason="the other test is the one for an ordinary user")
def test_an_ordinary_user_is_as_well_locked() -> None:
    """
    Without root the same attempts are denied, at the same level as root gets here.
    """
    with zygote([sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote"]) as (_, report, _):
        as_root = read_report(report)
    with zygote([sys.executable, "-I", "-B", "-c", AS_ORDINARY_USER]) as (_, report, _):
        found = read_report(report)

    assert found.uid == SOMEBODY
    assert set(found.attempts.values()) & {DONE} == set()
    assert found.differences == ()
    assert (found.level, found.layers) == (as_root.level, as_root.layers)


def test_a_container_that_refuses_namespaces_is_the_third_level() -> None:
    """
    As in Docker: what is refused is reported with its reason, and all else is in force; root still gives up its id.
    """
    with zygote([sys.executable, "-I", "-B", "-c", AS_IN_A_CONTAINER]) as (control, report, pid):
        assert not descendants(pid)
        assert end_of_a_worker(control) == {"op": "exited", "id": 1, "status": 9, "call": ""}  # untraced

    found = read_report(report)
    refused = {"user", "pid", "net", "ipc", "uts", "mount"}
    assert {found.layers[name].partition(" ")[2] for name in refused} == {"EPERM"}
    assert found.layers["uid"] == ""
    assert set(found.attempts.values()) & {DONE} == set()
    assert found.differences == ()
    assert found.name == ("L3" if landlock.abi() or os.getuid() == 0 else "L2")
    assert all(why.startswith("namespaces alone do not deny it; user: unshare") for _, why in found.missing())
    if os.getuid() == 0:
        assert found.uid == report["uid"] >= 61184
        assert found.layers["root"] == ""


def end_of_a_worker(control: socket.socket) -> dict[str, Any]:
    """Have the zygote at *control* fork a worker, and kill it once it is ready; return what is told of its end."""
    channel, end = socket.socketpair()
    with channel:
        with end:
            socket.send_fds(control, [json.dumps({"op": "spawn", "id": 1}).encode()], [end.fileno()])
        channel.settimeout(SECONDS)
        assert channel.recv(100)
        control.send(json.dumps({"op": "kill", "id": 1}).encode())
        news: dict[str, Any] = json.loads(control.recv(32_768))
        return news


LANDLOCK = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")


@pytest.mark.parametrize(
    ("change", "filtered"),
    [
        ({}, {"landlock": LANDLOCK[0], "root": "chroot"}),
        ({"allow": ["mount", "umount2", "pivot_root", "chroot", "seccomp", *LANDLOCK]}, {}),
        (
            {"forbid": ["unshare", "setpriority", "capset"]},
            {
                **dict.fromkeys(("user", "pid", "net", "ipc", "uts", "mount"), "unshare"),
                "landlock": LANDLOCK[0],
                "root": "chroot",
                "uid": "capset",
            },
        ),
    ],
)
def test_a_filter_that_kills_is_as_one_that_refuses(change: dict[str, list[str]], filtered: dict[str, str]) -> None:
    """
    In a unit without SystemCallErrorNumber= a call outside of the list would be the zygote's end: a throw-away child
    makes it first, and all that needs it is left out with this reason.
    """
    command = [sys.executable, "-I", "-B", "-c", AS_IN_A_DEADLY_UNIT, json.dumps(change)]
    with zygote(command) as (control, report, _):
        assert end_of_a_worker(control) == {"op": "exited", "id": 1, "status": 9, "call": ""}

    found = read_report(report)
    if "allow" not in change:
        why = {name: f"{call} is filtered (SIGSYS): EPERM" for name, call in filtered.items()}
        assert {name: found.layers[name] for name in filtered} == why
        assert found.name == "L2"
    assert "SIGSYS" not in "".join(found.layers[name] for name in found.layers.keys() - filtered.keys())
    assert set(found.attempts.values()) & {DONE} == set()
    assert found.differences == ()


def test_nothing_of_a_careless_parent_is_left() -> None:
    """
    Neither ignored and blocked signals nor descriptors outlast the start, and the limit of descriptors is a low one:
    every child closes as many as there may be.
    """
    command = [sys.executable, "-I", "-B", "-c", AFTER_A_CARELESS_PARENT]
    with zygote(command) as (control, report, start):
        assert end_of_a_worker(control) == {"op": "exited", "id": 1, "status": 9, "call": ""}
        pid = [start, *descendants(start)][-1]
        descriptors = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
        limits = Path(f"/proc/{pid}/limits").read_text()
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())

    assert DONE not in report["attempts"].values()
    assert len(descriptors) < 16
    assert re.search(r"Max open files +256 +256 ", limits)
    assert int(status["SigBlk"], 16) == 0
    assert not int(status["SigIgn"], 16) & (1 << signal.SIGABRT - 1)


def test_a_zygote_has_no_rights_left() -> None:
    """
    The process that forks workers has no capability, no file, no privileges to gain, and cannot be looked into.
    """
    with zygote([sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote"]) as (_, report, start):
        below = Path(f"/proc/{start}/task/{start}/children").read_text().split()
        pid = below[0] if below else start
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        waiting = Path(f"/proc/{start}/status").read_text()

    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert set(status["Uid"].split()) == {str(report["uid"])}
    assert "CapEff:\t0000000000000000" in waiting or not below
    assert "Threads:\t1\n" in waiting


def test_the_death_of_one_is_the_death_of_all() -> None:
    """
    SIGKILL of the process that waits ends the one that forks, and its worker.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel, end = socket.socketpair()
    with ours, channel:
        command = [sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote", str(theirs.fileno()), str(os.getpid())]
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd="/", pass_fds=(theirs.fileno(),))
        theirs.close()
        ours.settimeout(SECONDS)
        channel.settimeout(SECONDS)
        ours.recv(32_768)
        with end:
            socket.send_fds(ours, [json.dumps({"op": "spawn", "id": 1}).encode()], [end.fileno()])
        assert channel.recv(100)  # it is ready
        below = descendants(process.pid)
        process.kill()
        assert process.wait(SECONDS) == -signal.SIGKILL
        assert channel.recv(100) == b""
        end_of_all = time.monotonic() + SECONDS
        while any(map(is_alive, below)) and time.monotonic() < end_of_all:
            time.sleep(0.01)

    assert len(below) >= 1
    assert not [pid for pid in below if is_alive(pid)]


def descendants(pid: int) -> list[int]:
    direct = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return direct + [below for child in direct for below in descendants(child)]


def test_a_layer_that_is_left_out_shows() -> None:
    """
    Without the filter the attempts that it alone denies are seen to succeed, and the level says so.
    """
    report = bare(
        SURROUNDINGS + 'report = probe.probe(surroundings, jail.Lock(b"", landlock.abi(), ()), reasons, results)'
    )

    found = read_report({**report, "times_ms": {}})
    assert found.layers["seccomp"].endswith("ENOSYS")
    assert found.seccomp_by == ""
    assert {report["attempts"][name] for name in ("udp", "kill_sibling", "tgkill_sibling")} <= {DONE, "EPERM"}
    assert report["attempts"]["udp"] == DONE
    assert report["attempts"]["executable_memory"] == DONE
    assert found.name == "L1"
    what = [what for what, _ in found.missing()]
    assert "reach the network by UDP" in what
    assert "make memory executable" in what
    assert all("seccomp: no filter" in why for _, why in found.missing())


def test_the_filter_alone_is_the_second_level() -> None:
    """
    Without Landlock and namespaces the filter denies everything, but nothing stands behind it.
    """
    report = bare(
        SURROUNDINGS + "report = probe.probe(surroundings, jail.Lock(prepared.code, 0, ()), reasons, results)"
    )

    found = read_report({**report, "times_ms": {}})
    assert found.landlock_abi == 0
    assert found.name == "L2"
    assert report["beneath"]["read_file"] == DONE
    assert ("read a file", "only the filter for system calls denies it; landlock: there is no Landlock here: ENOSYS; "
            "root: left out: EPERM; uid: left out: EPERM") in found.missing()  # fmt: skip


def test_a_difference_is_found() -> None:
    """
    What comes out otherwise after the lock is named, with both results.
    """
    report = bare(
        SURROUNDINGS
        + 'results["traceback"] = "planted"\nreport = probe.probe(surroundings, prepared, reasons, results)'
    )

    assert report["differences"] == ["traceback: 'planted' became 'ValueError: warm'"]


def test_many_differences_are_counted() -> None:
    """
    The report stays small: twenty differences, each one line, and how many more there are.
    """
    report = bare(
        SURROUNDINGS
        + """
results |= {f"planted {number:02}": "\N{SNOWMAN}" * 1000 for number in range(30)}
report = probe.probe(surroundings, prepared, reasons, results)
"""
    )

    *lines, last = report["differences"]
    assert len(lines) == 20
    assert lines[0] == "planted 00: '" + ("\\u2603" * 7)[:41] + " became 'nothing'"
    assert last == "and 10 more"


def test_a_fault_of_an_attempt_is_no_denial() -> None:
    """
    Only what the kernel refused was denied; an attempt that fails for another reason counts as one that succeeded.
    """
    targets = Targets("broker", "number", "sibling", b"")  # type: ignore[arg-type]

    assert outcome("kill_broker", targets) == DONE
    assert outcome("no such attempt", targets) == DONE
    assert outcome("broker_memory", targets) == "ENOENT"


GOOD: dict[str, Any] = {
    "layers": {"limits": "", "no_new_privs": "", "net": "unshare: EPERM"},
    "landlock_abi": 7,
    "seccomp_by": "seccomp",
    "uid": 1000,
    "attempts": dict.fromkeys(ATTEMPTS, "SIGSYS"),
    "beneath": dict.fromkeys(BENEATH, "EACCES"),
    "alone": dict.fromkeys(ALONE, "ESRCH"),
    "differences": [],
    "times_ms": {},
}


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        ("differences", [], 4),
        ("alone", {**GOOD["alone"], "tcp": DONE}, 3),
        ("alone", {}, 3),
        ("beneath", {**GOOD["beneath"], "exec": DONE}, 2),
        ("beneath", {}, 2),
        ("attempts", {**GOOD["attempts"], "udp": DONE}, 1),
        ("attempts", {"big_memory": "MemoryError"}, 1),
        ("attempts", {**GOOD["attempts"], "big_memory": DONE}, 0),
        ("attempts", {}, 0),
        ("layers", {**GOOD["layers"], "no_new_privs": "prctl(38): EINVAL"}, 0),
        ("layers", {"no_new_privs": ""}, 0),
    ],
)
def test_the_level_is_what_was_seen(part: str, change: Any, expected: int) -> None:
    """
    Each level needs those below it; what was not attempted counts as a hole.
    """
    report = {**GOOD, part: change}

    assert level(report) == expected
    found = read_report(report)
    assert found.name == f"L{expected}"
    assert bool(found.missing()) == (expected < 4)


def test_what_is_missing_is_named_with_its_reason() -> None:
    """
    The operator reads what stands open and what the system refused.
    """
    found = read_report({**GOOD, "alone": {**GOOD["alone"], "udp": DONE}})

    assert found.missing() == [
        ("reach the network by UDP", "namespaces alone do not deny it; net: unshare: EPERM"),
    ]
