"""
Tries to break out of the jail, for real, at every start: what a layer denies is seen, not believed.

Throw-away children of the zygote, locked as workers are, make attempts and tell their outcomes. Three passes: with all
layers; on files once more without the filter for system calls (is there a second barrier?); on what namespaces are for
with nothing but them. One more child executes the warm-up again after the lock: whatever then gives another result than
before would fail in a hook.

A child goes on to its next attempt as long as each was refused with an error: then it is what it was. One that was
killed, or got out, is the last of its child, and what that left undone is done by others, one each.
"""

import json
import os
import statistics
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from hookd.sandbox import attempts, children, jail, worker
from hookd.sandbox.attempts import Targets
from hookd.sandbox.children import Ended, Tell, Work
from hookd.sandbox.isolation import ALONE, ATTEMPTS, BENEATH, DONE
from hookd.sandbox.jail import seccomp
from hookd.sandbox.surroundings import Surroundings

# A child that takes longer got somewhere. None does of its own accord: all of them together take 0.1 s of two cores. On
# a machine that is starting everything at once the same work took 2 s, though, which must not look like a hole.
ATTEMPT_S = 8.0
PROBE_S = 15.0  # for everything: the broker waits for 20 s, the warm-up included
SELF_TEST = ("self-test", "")
# Parts of the report → the attempts that each is about.
PARTS: Mapping[str, Collection[str]] = MappingProxyType({"attempts": ATTEMPTS, "beneath": BENEATH, "alone": ALONE})
# Of what comes out otherwise in a lock: the whole report is one packet of 32 KB.
DIFFERENCES_MAX = 20
# Attempts that as a rule are refused with an error: with all layers one child makes them all. A fork costs more than an
# attempt. Of the other passes one child makes all, since nothing in them kills.
REFUSED = ("read_file", "write_file", "broker_memory", "broker_environ", "big_memory")
NAME_CHARACTERS, TEXT_CHARACTERS, CONTEXT_CHARACTERS = 25, 42, 20  # a line of 120; some of what is before, with it


class Group(NamedTuple):
    """
    Attempts that one child makes, of a part of the report, and the layers that are in force.
    """

    part: str
    names: tuple[str, ...]
    layers: Collection[str]

    @property
    def key(self) -> children.Key:
        """What its child is known by."""
        return self.part, self.names[0]

    def after(self, outcomes: Sequence[str]) -> "list[Group]":
        """Return a group for each attempt that comes after those with *outcomes*."""
        return [self._replace(names=(name,)) for name in self.names[len(outcomes) :]]


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
    targets = _targets(surroundings)

    def works(groups: Iterable[Group]) -> dict[children.Key, Work]:
        return {group.key: Work(partial(_attempt, group, targets, prepared), ATTEMPT_S) for group in groups}

    groups = _groups()
    tester = {SELF_TEST: Work(partial(_test, prepared, results), PROBE_S)}
    ended = children.run(tester | works(groups), surroundings.nothing_fd, PROBE_S)
    left = [rest for group in groups for rest in group.after(_outcomes(group, ended[group.key]))]
    ended |= children.run(works(left), surroundings.nothing_fd, started + PROBE_S - time.monotonic())
    probe_ms = (time.monotonic() - started) * 1000

    locks = [found for group in groups if group.part == "attempts" and (found := _lock(ended[group.key]))]
    reached = _layers(locks)
    outcomes: dict[str, dict[str, str]] = {name: {} for name in PARTS}
    for group in (*groups, *left):
        outcomes[group.part] |= zip(group.names, _outcomes(group, ended[group.key]), strict=False)
    return {
        "layers": {**reached, **reasons},
        "landlock_abi": prepared.landlock_abi if not reached["landlock"] else 0,
        "seccomp_by": seccomp.installer() if not reached["seccomp"] else "",
        "uid": os.getuid(),
        **{part: {name: outcomes[part][name] for name in names} for part, names in PARTS.items()},
        "differences": _differences(ended[SELF_TEST]),
        "times_ms": {
            "probe": round(probe_ms, 1),
            "lock": round(statistics.median([lock["ms"] for lock in locks] or [0.0]), 2),
        },
    }


def _groups() -> list[Group]:
    beneath = [name for name in jail.LAYERS if name != "seccomp"]
    return [
        Group("attempts", REFUSED, jail.LAYERS),
        *(Group("attempts", (name,), jail.LAYERS) for name in ATTEMPTS if name not in REFUSED),
        Group("beneath", BENEATH, beneath),
        Group("alone", ALONE, ()),
    ]


def _targets(surroundings: Surroundings) -> Targets:
    # Inside a namespace for processes the broker has no number: under its own there may be one of our children.
    number = surroundings.broker if os.getpid() != 1 else attempts.NOBODY
    # This process is as close to a worker as another worker is: of the same user, in the same namespaces, unlocked.
    return Targets(surroundings.broker, number, os.getpid(), surroundings.address)


def _attempt(group: Group, targets: Targets, prepared: jail.Lock, tell: Tell) -> None:
    """
    Make the attempts of *group* in a lock, until one of them gets out.
    """
    started = time.process_time()  # not the clock: many children share few cores just now
    reasons = jail.lock(prepared, group.layers)
    tell(json.dumps({"ms": (time.process_time() - started) * 1000, "reasons": reasons}) + "\n")
    for name in group.names:
        outcome = attempts.outcome(name, targets)
        tell(outcome + "\n")
        if outcome == DONE:
            return


def _test(prepared: jail.Lock, results: Mapping[str, str], tell: Tell) -> None:
    """
    Execute the warm-up in a lock, and tell what comes out otherwise.
    """
    jail.lock(prepared)
    again = worker.warm_up()
    names = sorted(name for name in {*results, *again} if results.get(name) != again.get(name))
    found = [_difference(name, results, again) for name in names[:DIFFERENCES_MAX]]
    tell(json.dumps(found + ([f"and {len(names) - len(found)} more"] if names[DIFFERENCES_MAX:] else [])))


def _difference(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    old, new = before.get(name, "nothing"), after.get(name, "nothing")
    same = next((index for index, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(same - CONTEXT_CHARACTERS, 0)
    # As ASCII: other characters take up to twelve bytes in the report.
    texts = [ascii(text[start : start + TEXT_CHARACTERS])[:TEXT_CHARACTERS] for text in (old, new)]
    return f"{ascii(name)[1:-1][:NAME_CHARACTERS]}: {texts[0]} became {texts[1]}"


def _lock(ended: Ended) -> dict[str, Any]:
    """
    Return what a child told of its lock, nothing where it did not come that far.
    """
    line, end, _ = ended.told.partition(b"\n")
    return dict(json.loads(line)) if end else {}


def _outcomes(group: Group, ended: Ended) -> list[str]:
    """
    Return how the attempts of *group* ended, as far as its child came; one that was neither denied nor killed for has
    got out, as far as anybody knows.
    """
    told = ended.told.decode(errors="replace").split("\n")[1:-1]  # what the lock took, and what is no whole line
    if len(told) == len(group.names) or DONE in told:
        return told
    return [*told, DONE if ended.is_late else ended.signal or DONE]


def _layers(locks: list[dict[str, Any]]) -> dict[str, str]:
    """
    Return layer → the first reason that any child gave for it.
    """
    if not locks:
        return dict.fromkeys(jail.LAYERS, "no child could be locked")
    return {name: next((lock["reasons"][name] for lock in locks if lock["reasons"][name]), "") for name in jail.LAYERS}


def _differences(tester: Ended) -> list[str]:
    if tester.is_late:
        return [f"the self-test did not end within {PROBE_S:g} s"]
    if tester.signal:
        return [f"the self-test was killed by {tester.signal}"]
    try:
        found: list[str] = json.loads(tester.told)
    except ValueError:
        return [f"the self-test failed: {tester.told.decode(errors='replace')[:200]}"]
    return found
