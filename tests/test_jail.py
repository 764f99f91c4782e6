"""
The lock-down: what the filter says about every call on every machine, and what the kernel then really does.
"""

import errno
import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd.sandbox.jail import landlock, seccomp
from hookd.sandbox.jail.syscalls import TABLES, name_of

PID = 4711
NUMBERS = range(1100)  # twice as far as kernels have come
HEADERS = {
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+) (\d+)\n"),
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR_(\w+) (\d+)\n__S"),
}
SECONDS = 60.0


def verdict(code: bytes, machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return what the filter *code* gives for a system call, as the kernel's interpreter would."""
    architecture = seccomp.ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, *[0] * 6)[:6])
    instructions = list(seccomp.INSTRUCTION.iter_unpack(code))
    at, value = 0, 0
    while True:
        operation, if_so, if_not, constant = instructions[at]
        at += 1
        if operation == seccomp.LOAD:
            (value,) = struct.unpack_from("=I", data, constant)
        elif operation == seccomp.RETURN:
            return int(constant)
        elif operation == seccomp.JUMP:
            at += constant
        elif operation == seccomp.JUMP_EQUAL:
            at += if_so if value == constant else if_not
        elif operation == seccomp.JUMP_NOT_LESS:
            at += if_so if value >= constant else if_not
        else:
            assert operation == seccomp.JUMP_BITS
            at += if_so if value & constant else if_not


def script(source: str) -> Any:
    """Return the JSON that *source* prints in a process of its own."""
    head = "import errno, json, os, signal, sys, time\nfrom hookd.sandbox import jail\n"
    done = subprocess.run([sys.executable, "-c", head + source], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pairs(machine: str) -> Iterator[tuple[int, str]]:
    names = {number: name for name, number in TABLES[machine].items()}
    return ((number, names.get(number, "")) for number in NUMBERS)


@pytest.mark.parametrize("machine", TABLES)
def test_the_filter_says_what_the_lists_say(machine: str) -> None:
    """
    For every number on every machine: what is allowed is listed, red calls kill, calls with paths are refused, and all
    that nobody has thought of does not exist.
    """
    code = seccomp.patched(seccomp.program(machine), PID)
    expected = {
        **dict.fromkeys(seccomp.ALLOWED | seccomp.WITHOUT_EXEC | seccomp.CLOCKS | seccomp.ADVICE, seccomp.ALLOW),
        **dict.fromkeys(seccomp.PATHS, seccomp.ERRNO | errno.EACCES),
        **dict.fromkeys(seccomp.KILLED | seccomp.ABORT, seccomp.KILL),
    }

    wrong = [
        (number, name)
        for number, name in pairs(machine)
        if verdict(code, machine, number) != expected.get(name, seccomp.ERRNO | errno.ENOSYS)
    ]

    assert wrong == []


@pytest.mark.parametrize("machine", TABLES)
def test_other_ways_into_the_kernel_kill(machine: str) -> None:
    """
    32-bit calls, x32 calls, and calls of any other architecture mean other things by the same numbers: they kill.
    """
    code = seccomp.patched(seccomp.program(machine), PID)
    foreign = [0x40000003, 0x40000028, 0, *(set(seccomp.ARCHITECTURES.values()) - {seccomp.ARCHITECTURES[machine]})]

    verdicts = {verdict(code, machine, number, architecture=other) for number in NUMBERS for other in foreign}
    x32 = {verdict(code, machine, seccomp.X32_BIT + number) for number in (*NUMBERS, 0x3FFFFFFF, 0xBFFFFFFF)}

    assert verdicts | x32 == {seccomp.KILL}


@pytest.mark.parametrize("machine", TABLES)
def test_arguments_decide_where_the_call_alone_does_not(machine: str) -> None:
    """
    Memory may be mapped, but not for execution; the one signal that a worker may send is SIGABRT, to itself; clocks
    are everybody's, and advice on memory is an allocator's: whatever the upper half of an argument says.
    """
    code = seccomp.patched(seccomp.program(machine), PID)
    table, high = TABLES[machine], 1 << 32

    for name in seccomp.WITHOUT_EXEC:
        assert verdict(code, machine, table[name], 0, 0, 3) == seccomp.ALLOW
        for protection in (4, 7, 4 + high):
            assert verdict(code, machine, table[name], 0, 0, protection) == seccomp.KILL
    assert verdict(code, machine, table["tgkill"], PID, PID, 6) == seccomp.ALLOW
    for other in (0, 1, PID + 1, 0xFFFFFFFF, seccomp.ITSELF):
        assert verdict(code, machine, table["tgkill"], other, PID, 6) == seccomp.KILL
    for number in {*range(66)} - {6}:
        assert verdict(code, machine, table["tgkill"], PID, PID, number) == seccomp.KILL
    for name in seccomp.CLOCKS:
        assert {verdict(code, machine, table[name], clock) for clock in (*range(12), high)} == {seccomp.ALLOW}
        for pid in (0, 1, PID):
            clock = ((~pid << 3) | 2) % (1 << 32)  # CPUCLOCK_SCHED of another process
            assert verdict(code, machine, table[name], clock) == seccomp.ERRNO | errno.EINVAL
    allowed = [n for n in range(128) if verdict(code, machine, table["madvise"], 0, 0, n) == seccomp.ALLOW]
    assert allowed == [0, 3, 4, 8, 14, 15]
    assert verdict(code, machine, table["madvise"], 0, 0, 12) == seccomp.ERRNO | errno.EINVAL


def test_every_call_has_one_verdict() -> None:
    """
    The lists do not overlap, and every name in them is one that a machine has.
    """
    lists = [names for names, _ in seccomp.VERDICTS]

    assert sum(map(len, lists)) == len(frozenset().union(*lists))
    assert sum(map(len, seccomp.RED.values())) == len(seccomp.KILLED)
    assert frozenset().union(*lists) <= TABLES["x86_64"].keys() | TABLES["aarch64"].keys()


@pytest.mark.parametrize("machine", TABLES)
def test_numbers_are_those_of_the_kernel(machine: str) -> None:
    """
    The tables agree with the kernel's headers, where they are installed.
    """
    path, pattern = HEADERS[machine]
    if not path.exists():
        pytest.skip(f"no {path} here")

    theirs = {name: int(number) for name, number in re.findall(pattern, path.read_text())}

    shared = theirs.keys() & TABLES[machine].keys()
    assert len(shared) > 250
    assert {name: TABLES[machine][name] for name in shared} == {name: theirs[name] for name in shared}
    assert name_of(machine, TABLES[machine]["socket"]) == "socket"
    assert name_of(machine, 5000) == "system call 5000"


def test_the_kernel_does_what_the_filter_says() -> None:
    """
    In a real process red calls kill, paths are refused, unknown calls do not exist; each is really made.
    """
    found = script(
        """
from hookd.sandbox.jail import kernel, seccomp
from hookd.sandbox.jail.syscalls import TABLES
table = TABLES[kernel.machine()]
prepared = jail.prepare()

def outcome(number):
    pid = os.fork()
    if pid == 0:
        jail.lock(prepared, ("no_new_privs", "seccomp"))
        try:
            kernel.syscall(number, -1, 0, 0, 0, 0, 0)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

wrong = {name: ended for name in seccomp.KILLED if (ended := outcome(table.get(name, 0x40000000))) != -signal.SIGSYS}
wrong |= {n: ended for n in seccomp.PATHS if n in table and (ended := outcome(table[n])) != errno.EACCES}
odd = ("fcntl", "dup", "prctl", "sysinfo", "sched_getaffinity", "clock_nanosleep", "set_robust_list", "prlimit64")
wrong |= {name: ended for name in odd if (ended := outcome(table[name])) != errno.ENOSYS}
print(json.dumps([wrong, outcome(999)]))
"""
    )

    assert found == [{}, errno.ENOSYS]


def test_signals_and_memory_stay_ones_own() -> None:
    """
    A worker may abort, and make memory; any other signal, to itself or a sibling, and executable memory kill it.
    """
    found = script(
        """
import ctypes, mmap
prepared = jail.prepare()
sibling = os.fork()
if sibling == 0:
    signal.pause()

def outcome(work):
    pid = os.fork()
    if pid == 0:
        jail.lock(prepared)
        try:
            work()
        except BaseException as error:
            os._exit(100)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

from hookd.sandbox.jail import kernel
from hookd.sandbox.jail.syscalls import TABLES
table = TABLES[kernel.machine()]
ends = {
    "kill": outcome(lambda: signal.raise_signal(signal.SIGKILL)),
    "stop": outcome(lambda: signal.raise_signal(signal.SIGSTOP)),
    "handler": outcome(lambda: signal.signal(signal.SIGABRT, signal.SIG_IGN)),
    "clock": outcome(lambda: time.clock_gettime((~os.getppid() << 3) | 2)),
    "merge": outcome(lambda: mmap.mmap(-1, 4096).madvise(12)),
    "free": outcome(lambda: mmap.mmap(-1, 4096).madvise(mmap.MADV_DONTNEED)),
    "abort": outcome(os.abort),
    "fatal": outcome(lambda: ctypes.pythonapi.Py_FatalError(b"in C")),
    "sibling": outcome(lambda: kernel.syscall(table["tgkill"], sibling, sibling, 0)),
    "memory": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)),
    "code": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)),
    "protect": outcome(lambda: kernel.syscall(table["mprotect"], 0, 4096, 5)),
    "much": outcome(lambda: bytearray(1 << 30)),
}
os.kill(sibling, signal.SIGKILL)
os.waitpid(sibling, 0)
print(json.dumps(ends))
"""
    )

    assert found == {
        "kill": -31,
        "stop": -31,
        "handler": 100,
        "clock": 100,
        "merge": 100,
        "free": 0,
        "abort": -6,
        "fatal": -6,
        "sibling": -31,
        "memory": 0,
        "code": -31,
        "protect": -31,
        "much": 100,
    }


def test_a_lock_says_what_it_could_not_do() -> None:
    """
    Every layer that is asked for is in the answer; one that the machine lacks is there with the reason.
    """
    found = script(
        """
prepared = jail.prepare()._replace(code=b"", landlock_abi=0)
print(json.dumps([jail.lock(prepared, ("no_new_privs", "landlock", "seccomp")), "ctypes" in sys.modules]))
"""
    )

    reasons, has_ctypes = found
    assert reasons["no_new_privs"] == ""
    assert reasons["landlock"] == "there is no Landlock here: ENOSYS"
    assert re.fullmatch(r"no filter for \w+: ENOSYS", reasons["seccomp"])
    assert not has_ctypes


@pytest.mark.parametrize(
    ("deadly", "reason"),
    [("False", "Landlock is refused: EPERM"), ("True", "landlock_create_ruleset is filtered (SIGSYS): EPERM")],
)
def test_a_filter_is_told_from_a_kernel_without_landlock(deadly: str, reason: str) -> None:
    """
    Where a filter stands before Landlock, the reason names it.
    """
    found = script(
        f"""
from tests.raw import outer
outer.load("systemd", deadly={deadly})
print(json.dumps(jail.lock(jail.prepare(), ("no_new_privs", "landlock"))))
"""
    )

    assert found == {"no_new_privs": "", "landlock": reason}


@pytest.mark.parametrize(("deadly", "expected"), [("False", []), ("True", ["chroot", "mount", "ptrace"])])
def test_deadly_calls_are_found_by_others(deadly: str, expected: list[str]) -> None:
    """
    Each call that a filter kills for is found by a child, which leaves no other trace; one that fails is not deadly.
    """
    found = script(
        f"""
from hookd.sandbox.jail import syscalls
from tests.raw import outer
outer.load("systemd", deadly={deadly}, allow=["umount2", "pivot_root", "seccomp", "landlock_create_ruleset",
           "landlock_add_rule", "landlock_restrict_self"])
found = sorted(syscalls.deadly())
try:
    os.wait()
except ChildProcessError:
    print(json.dumps(found))
"""
    )

    assert found == expected


def test_a_worker_that_cannot_be_locked_serves_nobody() -> None:
    """
    A layer that was in force at the start and now is not ends the worker before its first word.
    """
    found = script(
        """
import socket
from hookd.errors import SandboxError
from hookd.sandbox import worker
ours, theirs = socket.socketpair()
nothing = os.open("/dev/null", os.O_RDWR)
parent = os.getpid()
pid = os.fork()
if pid == 0:
    try:
        worker.main(theirs.fileno(), nothing, parent, jail.Lock(b"", 0, ()), ("no_new_privs", "seccomp"))
    except SandboxError as error:
        os._exit(7 if "no filter for" in str(error) else 8)
    os._exit(0)
theirs.close()
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), ours.recv(100).decode()]))
"""
    )

    assert found == [7, ""]


@pytest.mark.skipif(landlock.abi() < 1, reason="this kernel has no Landlock")
def test_landlock_alone_denies_files() -> None:
    """
    Without any other layer no file can be read, made or executed.
    """
    found = script(
        """
reasons = jail.lock(jail.prepare(), ("no_new_privs", "landlock"))
errors = []
for work in (
    lambda: open("/etc/passwd"), lambda: open("/tmp/hookd-test", "w"), lambda: os.listdir("/"),
    lambda: os.execv("/bin/sh", ["sh"]),
):
    try:
        work()
        errors.append("done")
    except OSError as error:
        errors.append(errno.errorcode[error.errno])
print(json.dumps([reasons, errors]))
"""
    )

    assert found == [{"no_new_privs": "", "landlock": ""}, ["EACCES"] * 4]


def test_landlock_handles_what_the_kernel_knows() -> None:
    """
    Each ABI gets the structure it understands, later ones that of the newest we know.
    """
    sizes = {version: len(landlock.ruleset(version)) for version in range(1, 12)}

    assert sizes == {1: 8, 2: 8, 3: 8, 4: 16, 5: 16, **dict.fromkeys(range(6, 12), 24)}
    assert landlock.ruleset(1) == struct.pack("=Q", 0x1FFF)
    assert landlock.ruleset(12) == struct.pack("=3Q", 0xFFFF, 3, 3)
