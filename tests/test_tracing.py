"""
Names of the calls that workers are killed for, from real killed processes.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

SECONDS = 60.0

# A zygote in small: fork, seize, let go, and see to stops until the end.
HEAD = """
import ctypes, json, os, signal, socket, sys, time
from hookd.sandbox import jail
from hookd.sandbox.tracing import Tracer

def end_of(work, *, meanwhile=lambda pid: None, traced=True):
    tracer, prepared = Tracer(), jail.prepare()
    waiting, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go)
        os.read(waiting, 1)
        jail.lock(prepared)
        work()
        os._exit(7)
    if traced:
        tracer.seize(pid)
    os.close(go)
    meanwhile(pid)
    stops = 0
    while True:
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSTOPPED(status):
            return [os.waitstatus_to_exitcode(status), tracer.end(pid), stops]
        stops += 1
        tracer.go_on(pid, status)

def kill(pid):
    os.kill(pid, signal.SIGKILL)

def stop_and_go(pid):
    time.sleep(0.05)
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGCONT)
"""


def ended(expression: str) -> Any:
    """Return exit code, name of the call and number of stops of the process that *expression* makes."""
    code = f"{HEAD}print(json.dumps(end_of({expression})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("work", "call"),
    [
        ("socket.socket", "socket"),
        ("lambda: os.kill(1, 0)", "kill"),
        ("lambda: os.execv('/bin/sh', ['sh'])", "execve"),
        ("lambda: os.memfd_create('x')", "memfd_create"),
        ("lambda: signal.raise_signal(signal.SIGKILL)", "tgkill"),
        ("lambda: signal.raise_signal(signal.SIGSTOP)", "tgkill"),
    ],
)
def test_the_call_is_named(work: str, call: str) -> None:
    """
    Whoever is killed for a system call is known with its name.
    """
    assert ended(work) == [-31, call, 1]


def test_other_ends_have_no_call() -> None:
    """
    An exit, a crash, an abort and a kill pass the tracer without a name.
    """
    assert ended("lambda: None") == [7, "", 1]
    assert ended("lambda: ctypes.string_at(0)") == [-11, "", 2]
    assert ended("os.abort") == [-6, "", 2]
    assert ended("lambda: time.sleep(60), meanwhile=kill")[:2] == [-9, ""]


def test_an_operator_may_stop_a_worker() -> None:
    """
    SIGSTOP and SIGCONT do what they do to any process.
    """
    work = "lambda: [None for _ in range(3_000_000)]"

    code, call, stops = ended(f"{work}, meanwhile=stop_and_go")

    assert (code, call) == (7, "")
    assert 2 <= stops <= 6


def test_there_is_no_flood_of_signals() -> None:
    """
    What costs the tracer time ends a worker at the first: no handler outlives a signal, none is ignored.
    """
    handled = "lambda: signal.signal(signal.SIGSEGV, lambda *_: None)"

    assert ended(f"lambda: ({handled})()") == [1, "", 1]
    assert ended("lambda: [signal.raise_signal(signal.SIGUSR1) for _ in range(1000)]") == [-31, "tgkill", 1]


def test_without_tracing_there_is_no_name() -> None:
    """
    Where ptrace is refused the end is the same, without a name.
    """
    assert ended("socket.socket, traced=False") == [-31, "", 0]
