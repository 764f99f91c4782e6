"""
Tries to break out of the jail, for real, at every start: what a layer denies is seen, not believed.

Throw-away children of the zygote, locked as workers are, each make one attempt and tell its outcome, all at the same
time. Three passes: with all layers; on files once more without the filter for system calls (is there a second
barrier?); on what namespaces are for with nothing but them. One more child executes the warm-up again after the lock:
whatever then gives another result than before would fail in a hook.
"""

import json
import os
import select
import signal
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hookd.sandbox import attempts, jail, worker
from hookd.sandbox.attempts import Targets
from hookd.sandbox.isolation import ALONE, ATTEMPTS, BENEATH, DONE
from hookd.sandbox.jail import seccomp
from hookd.sandbox.surroundings import Surroundings

# A child that takes longer got somewhere. None does of its own accord: all of them together take 0.1 s of two cores. On
# a machine that is starting everything at once the same work took 2 s, though, which must not look like a hole.
ATTEMPT_S = 8.0
SELF_TEST_S = 15.0
READ_BYTES = 65_536
CONTEXT_CHARACTERS, TEXT_CHARACTERS = 20, 120  # of a difference, before it and in all


@dataclass(slots=True)
class Child:
    """A throw-away child: its process id, the pipe it tells on, and what it has told so far."""

    pid: int
    fd: int
    told: bytes = b""
    is_late: bool = False


def probe(
    surroundings: Surroundings, prepared: jail.Lock, reasons: Mapping[str, str], results: Mapping[str, str]
) -> dict[str, Any]:
    """
    Return the isolation report, except for the time that the warm-up took.

    Args:
        surroundings: The zygote's.
        prepared: What workers are locked with.
        reasons: The zygote's own layers → "" or why they are not in force.
        results: Of the warm-up.
    """
    started = time.monotonic()
    tester = _fork(lambda tell: _test(prepared, results, tell), surroundings)
    sibling = _fork(lambda tell: signal.pause(), surroundings)
    targets = _targets(surroundings, sibling.pid)
    passes = {
        "attempts": _start(ATTEMPTS, jail.LAYERS, targets, prepared, surroundings),
        "beneath": _start(
            BENEATH, [name for name in jail.LAYERS if name != "seccomp"], targets, prepared, surroundings
        ),
        "alone": _start(ALONE, (), targets, prepared, surroundings),
    }
    _listen([child for children in passes.values() for child in children.values()], started + ATTEMPT_S)
    os.kill(sibling.pid, signal.SIGKILL)
    _end(sibling)
    outcomes = {name: {what: _outcome(child) for what, child in children.items()} for name, children in passes.items()}
    probe_ms = (time.monotonic() - started) * 1000
    locks = [json.loads(child.told.partition(b"\n")[0]) for child in passes["attempts"].values() if child.told]
    layers = _layers(locks)
    _listen([tester], started + SELF_TEST_S)
    return {
        "layers": {**layers, **reasons},
        "landlock_abi": prepared.landlock_abi if not layers["landlock"] else 0,
        "seccomp_by": seccomp.installer() if not layers["seccomp"] else "",
        "uid": os.getuid(),
        **outcomes,
        "differences": _differences(tester),
        "times_ms": {
            "probe": round(probe_ms, 1),
            "lock": round(statistics.median([lock["ms"] for lock in locks] or [0.0]), 2),
        },
    }


def _targets(surroundings: Surroundings, sibling: int) -> Targets:
    # Inside a namespace for processes the broker has no number: under its own there may be one of our children.
    number = surroundings.broker if os.getpid() != 1 else attempts.NOBODY
    return Targets(surroundings.broker, number, sibling, surroundings.address)


def _start(
    names: Iterable[str], layers: Collection[str], targets: Targets, prepared: jail.Lock, surroundings: Surroundings
) -> dict[str, Child]:
    return {name: _fork(_attempter(name, layers, targets, prepared), surroundings) for name in names}


def _attempter(
    name: str, layers: Collection[str], targets: Targets, prepared: jail.Lock
) -> Callable[[Callable[[str], object]], object]:
    def attempt(tell: Callable[[str], object]) -> None:
        started = time.process_time()  # not the clock: many children share few cores just now
        reasons = jail.lock(prepared, layers)
        tell(json.dumps({"ms": (time.process_time() - started) * 1000, "reasons": reasons}) + "\n")
        tell(attempts.outcome(name, targets))

    return attempt


def _test(prepared: jail.Lock, results: Mapping[str, str], tell: Callable[[str], object]) -> None:
    """
    Execute the warm-up in a lock, and tell all that comes out otherwise.
    """
    jail.lock(prepared)
    again = worker.warm_up()
    names = sorted({*results, *again})
    tell(json.dumps([_difference(name, results, again) for name in names if results.get(name) != again.get(name)]))


def _difference(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    old, new = before.get(name, "nothing"), after.get(name, "nothing")
    same = next((index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(same - CONTEXT_CHARACTERS, 0)
    return f"{name}: {old[start : start + TEXT_CHARACTERS]!r} became {new[start : start + TEXT_CHARACTERS]!r}"


def _fork(work: Callable[[Callable[[str], object]], object], surroundings: Surroundings) -> Child:
    """
    Do *work* in a child, which gets a function to tell with.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            for standard in (0, 1, 2):
                os.dup2(surroundings.nothing_fd, standard)
            jail.close_descriptors({0, 1, 2, writing})
            jail.end_with(parent)
            work(lambda text: os.write(writing, text.encode()))
        except BaseException as error:
            os.write(writing, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(writing)
    return Child(pid, reading)


def _listen(children: Collection[Child], deadline: float) -> None:
    """
    Read what *children* tell until each has ended, or until *deadline*, when they are killed.
    """
    poll = select.poll()
    waited = {child.fd: child for child in children}
    for fd in waited:
        poll.register(fd, select.POLLIN)
    while waited and (left := deadline - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            told = os.read(fd, READ_BYTES)
            waited[fd].told += told
            if not told:
                poll.unregister(fd)
                del waited[fd]
    for child in waited.values():
        child.is_late = True
        os.kill(child.pid, signal.SIGKILL)


def _end(child: Child) -> int:
    os.close(child.fd)
    return os.waitpid(child.pid, 0)[1]


def _outcome(child: Child) -> str:
    """
    Return how the attempt of *child* ended; whoever was neither denied nor killed for it has done it.
    """
    status = _end(child)
    told = child.told.decode(errors="replace").partition("\n")[2]
    if child.is_late:
        return DONE
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return told or DONE


def _layers(locks: list[dict[str, Any]]) -> dict[str, str]:
    """
    Return layer → the first reason that any child gave for it.
    """
    if not locks:
        return dict.fromkeys(jail.LAYERS, "no child could be locked")
    return {name: next((lock["reasons"][name] for lock in locks if lock["reasons"][name]), "") for name in jail.LAYERS}


def _differences(tester: Child) -> list[str]:
    status = _end(tester)
    if tester.is_late:
        return [f"the self-test did not end within {SELF_TEST_S:g} s"]
    if os.WIFSIGNALED(status):
        return [f"the self-test was killed by {signal.Signals(os.WTERMSIG(status)).name}"]
    try:
        found: list[str] = json.loads(tester.told)
    except ValueError:
        return [f"the self-test failed: {tester.told.decode(errors='replace')[:200]}"]
    return found
