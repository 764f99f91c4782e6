"""
The launcher of ffmpeg, attacked: a program that runs where ffmpeg does tries what a decoder that was taken over would.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from hookd.sandbox import confined
from hookd.sandbox.jail import landlock, seccomp
from hookd.sandbox.jail.syscalls import TABLES

pytestmark = pytest.mark.skipif(landlock.abi() < 1, reason="the kernel has no Landlock")

PERL = "/usr/bin/perl"  # of every Debian; it is one file, and has all system calls


def launch(
    tmp_path: Path, *command: str, cpu_s: int = 10, file_bytes: int = 100_000, data: bytes = b"recording"
) -> "subprocess.CompletedProcess[bytes]":
    """Run *command* as ffmpeg is run; what it writes to standard output is in the file result."""
    source = tmp_path / "source"
    source.write_bytes(data)
    limits = map(str, (os.getpid(), cpu_s, file_bytes))
    launcher = [sys.executable, "-I", "-B", "-m", confined.__name__, *limits, *command]
    with source.open("rb") as stdin, (tmp_path / "result").open("wb") as stdout:
        return subprocess.run(
            launcher,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={"LC_ALL": "C", "PATH": "/usr/bin"},
            cwd="/",
            timeout=30,
            check=False,
        )


def perl(tmp_path: Path, body: str, **options: int) -> str:
    """What *body*, a program in Perl, prints to its standard error."""
    return run_perl(tmp_path, body, **options).stderr.decode()


def run_perl(tmp_path: Path, body: str, **options: int) -> "subprocess.CompletedProcess[bytes]":
    """Run *body* as ffmpeg is run, with itself as the recording: with -e, perl would want /dev/null."""
    if not os.path.exists(PERL):
        pytest.skip("perl is not installed")
    return launch(tmp_path, PERL, data=body.encode(), **options)


def test_it_may_do_its_work(tmp_path: Path) -> None:
    """
    It reads the recording, and writes the result, also after opening that anew by its name in /proc.
    """
    body = 'read DATA, $a, 9; open F, ">", "/proc/self/fd/1" or die "no: $!"; print F "converted $a"; close F'
    body += "\n__END__\nrecording"

    said = perl(tmp_path, body)

    assert (said, (tmp_path / "result").read_text()) == ("", "converted recording")


@pytest.mark.parametrize(
    ("what", "body", "errors"),
    [
        ("read a password", 'open F, "<", "/etc/passwd" or die $!+0', {13}),
        ("read its own memory", 'open F, "<", "/proc/self/mem" or die $!+0', {13}),
        ("read hookd's environment", 'open F, "<", "/proc/".getppid()."/environ" or die $!+0', {13}),
        ("read the recording by its path", 'open F, "<", "{tmp}/source" or die $!+0', {13}),
        ("list a directory", 'opendir D, "{tmp}" or die $!+0', {13}),
        ("write beside the result", 'open F, ">", "{tmp}/evil" or die $!+0', {13}),
        ("write a temporary file", 'open F, ">", "/tmp/hookd-evil" or die $!+0', {13}),
        ("delete", 'unlink "{tmp}/source" or die $!+0', {38}),
        ("rename", 'rename "{tmp}/source", "{tmp}/evil" or die $!+0', {38}),
        ("make a link", 'symlink "/etc/passwd", "{tmp}/evil" or die $!+0', {38}),
        ("make a directory", 'mkdir "{tmp}/evil" or die $!+0', {38}),
        ("change rights", 'chmod 0777, "{tmp}/source" or die $!+0', {38}),
        ("change the owner", 'chown 1, 1, "{tmp}/source" or die $!+0', {38}),
        ("change times", 'utime 1, 1, "{tmp}/source" or die $!+0', {38}),
        ("open a socket", "use Socket; socket(S, PF_INET, SOCK_STREAM, 0) or die $!+0", {38}),
        ("open a local socket", "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) or die $!+0", {38}),
        ("open a netlink socket", "use Socket; socket(S, 16, 3, 0) or die $!+0", {38}),
        ("fork", "defined fork or die $!+0", {38}),
        ("run a shell", 'exec "/bin/sh", "-c", "id" or die $!+0', {13}),
        ("kill hookd", "kill 0, getppid() or die $!+0", {38}),
        ("trace hookd", "syscall(101, 16, getppid(), 0, 0) != -1 or die $!+0", {38}),
        ("limit hookd", "syscall(302, getppid(), 0, 0, 0) != -1 or die $!+0", {38}),
        ("have hookd get signals", "use Fcntl; fcntl(STDIN, 8, getppid()) or die $!+0", {38}),
        ("ask for another user", "$> = 65534; $> == 65534 or die $!+0", {38}),
        ("take a keyring", "syscall(248, 0, 0, 0, 0, 0) != -1 or die $!+0", {38}),
        ("set up io_uring", "syscall(425, 1, 0) != -1 or die $!+0", {38}),
        ("mount", '$a = "tmpfs"; syscall(165, $a, $a, $a, 0, 0) != -1 or die $!+0', {38}),
        ("take up a capability", "syscall(126, 0, 0) != -1 or die $!+0", {38}),
    ],
)
def test_it_may_do_nothing_else(tmp_path: Path, what: str, body: str, errors: set[int]) -> None:
    """
    Files, names, sockets, programs, processes and rights of others are out of its reach.
    """
    if "syscall" in body and sysconfig.get_platform() != "linux-x86_64":
        pytest.skip("numbers of x86_64")

    said = perl(tmp_path, body.replace("{tmp}", str(tmp_path)))

    assert said.partition(" ")[0] in {str(error) for error in errors}, said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result", "source"]


def test_it_gives_way(tmp_path: Path) -> None:
    """
    It is last in the row for cores, on two of them at most.
    """
    if sysconfig.get_platform() != "linux-x86_64":
        pytest.skip("numbers of x86_64")
    body = '$m = "\\0" x 128; syscall(204, 0, 128, $m); print STDERR getpriority(0, 0), " ", unpack("%32b*", $m)'

    nice, cores = perl(tmp_path, body).split()

    assert (int(nice), int(cores)) == (confined.NICE, min(confined.CORES_MAX, len(os.sched_getaffinity(0))))


def test_it_is_limited(tmp_path: Path) -> None:
    """
    A result that is too long, too much computing and too much memory end it.
    """
    ends = [
        run_perl(tmp_path, 'syswrite STDOUT, "x" x 1000 for 1..200', file_bytes=100_000).returncode,
        run_perl(tmp_path, "1 while 1", cpu_s=1).returncode,
        run_perl(tmp_path, '$n = 2_000_000_000; $a = "x" x $n').returncode,
    ]

    assert ends == [-signal.SIGXFSZ, -signal.SIGKILL, 1]
    assert (tmp_path / "result").stat().st_size == 0


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    """
    A program that is not there is told from one that failed.
    """
    found = launch(tmp_path, "/usr/bin/nothing-of-this-name")

    assert (found.returncode, found.stderr.decode()) == (confined.REFUSED, "No such file or directory\n")


@pytest.mark.parametrize(
    "arguments", [(), ("1", "2", "3"), ("1", "-2", "3", "/bin/true"), ("1", "2", "x", "/bin/true")]
)
def test_its_own_arguments_are_checked(arguments: tuple[str, ...]) -> None:
    """
    A launcher that is called wrongly starts nothing.
    """
    command = [sys.executable, "-I", "-B", "-m", confined.__name__, *arguments]

    found = subprocess.run(command, capture_output=True, check=False)

    assert (found.returncode, found.stderr.decode()[:15]) == (confined.USAGE, "usage: confined")


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """
    With another parent than it was told of, nothing is started: that one has died in the meantime.
    """
    command = [sys.executable, "-I", "-B", "-m", confined.__name__, "1", "9", "9", shutil.which("true") or "/bin/true"]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
def test_every_call_has_a_number(machine: str) -> None:
    """
    What it may call is known on each architecture, but for old calls that newer ones never had; a filter fits.
    """
    without = confined.CALLS - TABLES[machine].keys()

    assert confined.ARGUMENTS.keys() <= TABLES[machine].keys()
    assert without == set() if machine == "x86_64" else "openat" not in without
    assert len(confined.program(machine)) // seccomp.INSTRUCTION.size < 4096  # BPF_MAXINSNS


def test_an_unknown_machine_has_no_filter() -> None:
    """
    Nothing is converted where the system calls have other numbers.
    """
    with pytest.raises(OSError, match="there is no filter for riscv64"):
        confined.program("riscv64")
