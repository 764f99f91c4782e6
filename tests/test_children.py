"""
Throw-away children, real ones, where there is hardly room for any.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SECONDS = 60.0
UNUSED = 61183  # a user id that nobody has, so that RLIMIT_NPROC counts nobody else

HEAD = """
import ctypes, json, os, resource, signal, sys, time
from hookd.errors import SandboxError
from hookd.sandbox import children
from hookd.sandbox.children import Work

def fail():
    raise LookupError("of its own")

def run(works, seconds=30.0):
    found = children.run({(name, ""): work for name, work in works.items()}, nothing, seconds)
    return {name: [ended.told.decode(), ended.status, ended.is_late] for (name, _), ended in found.items()}

nothing = os.open("/dev/null", os.O_RDWR)
many = {str(number): Work(lambda tell, number=number: tell(f"{number}."), 30.0) for number in range(20)}
"""


def script(source: str) -> Any:
    """Return the JSON that *source* prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", HEAD + source], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ALL = {str(number): [f"{number}.", 0, False] for number in range(20)}


def test_each_child_tells_its_own() -> None:
    """
    What is told, how it ended and whether that was in time, for each; and nothing is left of any.
    """
    found = script(
        """
works = {
    "told": Work(lambda tell: tell("a") and tell("b"), 30.0),
    "failed": Work(lambda tell: tell("so ") and fail(), 30.0),
    "killed": Work(lambda tell: os.kill(os.getpid(), signal.SIGKILL), 30.0),
    "endless": Work(lambda tell: tell("on") and signal.pause(), 0.2),
}
before = os.listdir("/proc/self/fd")
print(json.dumps([run(works), os.listdir("/proc/self/fd") == before]))
"""
    )

    assert found == [
        {
            "told": ["ab", 0, False],
            "failed": ["so LookupError", 256, False],
            "killed": ["", 9, False],
            "endless": ["on", 9, True],
        },
        True,
    ]


def test_the_time_for_all_is_an_end() -> None:
    """
    When it is over those that run are killed, and those that wait are not started any more.
    """
    found = script(
        """
print(json.dumps(run({str(number): Work(lambda tell: signal.pause(), 30.0) for number in range(8)}, 0.2)))
"""
    )

    assert found == {**{str(n): ["", 9, True] for n in range(6)}, **{str(n): ["", 0, True] for n in (6, 7)}}


def test_few_descriptors_are_enough() -> None:
    """
    With room for one pipe the children come one after another.
    """
    found = script(
        """
free = os.dup(nothing)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, free + 2))
print(json.dumps(run(many)))
"""
    )

    assert found == ALL


FEW_PROCESSES = f"""
os.setresuid({UNUSED}, {UNUSED}, {UNUSED})
resource.setrlimit(resource.RLIMIT_NPROC, (ROOM, ROOM))
children.BARREN_S = 0.2
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without other processes")
def test_room_for_one_process_is_enough() -> None:
    """
    With room for one child they come one after another.
    """
    found = script(FEW_PROCESSES.replace("ROOM", "2") + "print(json.dumps(run(many)))")

    assert found == ALL


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without other processes")
def test_no_room_is_an_error() -> None:
    """
    Without room for a single child the operator reads why.
    """
    found = script(
        FEW_PROCESSES.replace("ROOM", "1")
        + """
try:
    run(many)
except SandboxError as error:
    print(json.dumps([str(error), len(os.listdir("/proc/self/fd")) < 8]))
"""
    )

    assert found == [
        "no child can be forked for the sandbox's probe: [Errno 11] Resource temporarily unavailable",
        True,
    ]
