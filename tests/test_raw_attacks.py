"""
The jail put to the test where it may be installed: as root, as an ordinary user, inside Docker's and systemd's filters.

`tests/attacks` are hooks, against the language layer and all below it; `tests/raw_attacks` begin where the language
layer has failed; the first lines of both name the outcomes that are fine. A third kind is every system call of the
machine that is not needed to compute. A suite of them is a process of its own (`tests.raw.suite`). Inside a container
or a unit the real filter comes first; what is loaded here then only adds to it.
"""

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import corpus
from tests.conftest import SOMEBODY
from tests.raw import portable
from tests.raw.numbers import NUMBERS

HERE = Path(__file__).parent
SUITE_S = 600  # for all attacks of a directory, most of which end at once
pytestmark = pytest.mark.timeout(3 * SUITE_S)  # the first test of a suite waits for all of it

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A directory of attacks, and the options of its suite.

    Attributes:
        gentler: Outcomes that are as good as "error".
    """

    directory: str
    options: tuple[str, ...]
    gentler: frozenset[str] = frozenset()

    @property
    def attacks(self) -> list[str]:
        return sorted(path.stem for path in (HERE / self.directory).glob("*.py"))

    def allowed(self, attack: str) -> set[str]:
        first = (HERE / self.directory / f"{attack}.py").read_text("utf-8").partition("\n")[0]
        outcomes = set(first.removeprefix("# expect: ").split("|"))
        return outcomes | self.gentler if "error" in outcomes else outcomes


KINDS = {
    "hook": Kind("attacks", ("--entry", corpus.FUNCTION), frozenset({"load"})),
    "raw": Kind("raw_attacks", ("--raw",)),
}
CALLS = Kind("calls", ("--raw",))  # made by `_write_calls`
ALL_KINDS = {**KINDS, "calls": CALLS}
# What a worker needs to compute, and to talk on its channel.
COMPUTING = """
    brk clock_getres clock_gettime close exit exit_group fstat futex getpid getrandom getrusage gettid gettimeofday
    lseek madvise mmap mprotect mremap munmap poll ppoll read readv restart_syscall rseq rt_sigaction rt_sigprocmask
    rt_sigreturn sched_yield sigaltstack time times write writev
"""
# Not tried with the machine at stake, should the jail be broken; raw attacks try some with arguments that cannot hurt.
DANGEROUS = "acct kexec_load kexec_file_load reboot swapoff vhangup"
# Of the kernel's own tracing, which passes them by every filter (uretprobe from Linux 6.14 on, uprobe from 6.18):
# outside of a trampoline that the kernel itself has put into the process they do nothing.
UNFILTERED = "uprobe uretprobe"
# Where the tests run as root both are had; an ordinary user is the unprivileged case, another one for each suite: under
# some of the filters the kernel counts a user's processes over all suites.
_USERS = itertools.count(SOMEBODY)
AS_SOMEBODY = ("--uid", "{user}") if os.geteuid() == 0 else ()
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    **({"root": (), "docker-root": ("--outer", "docker")} if os.geteuid() == 0 else {}),
    "user": AS_SOMEBODY,
    "docker": (*AS_SOMEBODY, "--outer", "docker"),
    "systemd": (*AS_SOMEBODY, "--outer", "systemd"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a suite."""

    outcomes: dict[str, Json]
    left: Json


Suites = Mapping[tuple[str, str], "Future[Report]"]


@pytest.fixture(scope="module")
def python() -> Iterator[portable.Python]:
    """An interpreter that every user may execute."""
    with tempfile.TemporaryDirectory() as directory:
        copied = portable.copy(Path(directory))
        _write_calls(copied.directory / "tests" / CALLS.directory)
        yield copied


def _write_calls(directory: Path) -> None:
    directory.mkdir()
    for name in sorted(NUMBERS.keys() - set(f"{COMPUTING} {DANGEROUS} {UNFILTERED}".split())):
        source = f'def hook(request):\n    return attempt("{name}", 0, 0, 0, 0, 0, 0)\n'
        (directory / f"{name}.py").write_text(source, "utf-8")


@pytest.fixture(scope="module")
def suites(python: portable.Python, request: pytest.FixtureRequest) -> Iterator[Suites]:
    """Run the suites that the selected tests need, as many at once as there are processors."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = {(call["kind"], call["environment"]): None for call in calls if "environment" in call and "kind" in call}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        futures = {(kind, environment): threads.submit(_run, python, kind, environment) for kind, environment in wanted}
        yield futures
        for future in futures.values():
            future.cancel()


def _run(python: portable.Python, kind: str, environment: str) -> Report:
    command = [str(python.path), "-m", "tests.raw.suite", "--attacks", f"tests/{ALL_KINDS[kind].directory}"]
    command += [*ALL_KINDS[kind].options]
    command += [option.format(user=next(_USERS)) for option in ENVIRONMENTS[environment]]
    command += [f"--env={name}={value}" for name, value in python.environment.items()]
    ended = subprocess.run(
        command,
        cwd=python.directory,
        env={**os.environ, **python.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SUITE_S,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    *lines, last = map(json.loads, ended.stdout.splitlines())
    return Report({line["attack"]: line for line in lines}, last["left"])


CASES = [
    pytest.param(environment, kind, attack, id=f"{environment}-{kind}-{attack}")
    for environment in ENVIRONMENTS
    for kind in KINDS
    for attack in KINDS[kind].attacks
]


@pytest.mark.parametrize(("environment", "kind", "attack"), CASES)
def test_attacks_get_nowhere(suites: Suites, environment: str, kind: str, attack: str) -> None:
    """
    Each attack has one of the ends that its first line names, and the pool answers the next run as if nothing had been.
    """
    found = suites[kind, environment].result().outcomes[attack]

    if found["detail"].startswith("NoSuchCall: "):
        pytest.skip(f"this machine has no system call {found['detail'].partition(' ')[2]}")
    assert found["outcome"] in KINDS[kind].allowed(attack), found["detail"]
    assert found["next"], "the next run got no answer, or another one's"


@pytest.mark.parametrize(("environment", "kind"), [("user", "calls")])
def test_no_other_call_reaches_the_kernel(suites: Suites, environment: str, kind: str) -> None:
    """
    Every system call but those for computing is refused by the filter, or ends the worker.
    """
    outcomes = suites[kind, environment].result().outcomes

    assert len(outcomes) > 250
    assert {name: found for name, found in outcomes.items() if found["outcome"] not in ("error", "violation")} == {}
    assert all(found["next"] for found in outcomes.values())


SUITES = [("user", "calls"), *itertools.product(ENVIRONMENTS, KINDS)]


@pytest.mark.parametrize(("environment", "kind"), SUITES)
def test_attacks_leave_nothing(suites: Suites, environment: str, kind: str) -> None:
    """
    After the last attack nothing of them runs, is open or was written, and the broker's event loop saw no exception.
    """
    assert suites[kind, environment].result().left == {"processes": [], "files": [], "descriptors": 0, "errors": []}


def test_raw_attacks_say_what_they_try() -> None:
    """
    Every raw attack has its outcomes and its idea in the first two lines.
    """
    for attack in KINDS["raw"].attacks:
        _, second = (HERE / "raw_attacks" / f"{attack}.py").read_text("utf-8").split("\n")[:2]

        assert KINDS["raw"].allowed(attack) <= {"ok", "error", "memory", "violation", "crash", "timeout"}
        assert second.startswith('"""')
        assert second.endswith('."""')
