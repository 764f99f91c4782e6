"""
The isolation report: what the probe found, as the zygote sends it and as everybody else reads it.

A level says what was seen, not what was asked for:

    L0  nothing may be relied upon
    L1  limits hold: an allocation of 1 GB fails, and no program can be executed for more rights
    L2  every attempt to get out fails with all layers in force
    L3  attempts on files and on the broker fail without the filter for system calls as well: there is a second barrier
    L4  attempts on the network, on the broker and on its memory fail by the namespaces alone as well
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

DONE = "done"

# Every attempt → what stands open where it succeeds.
ATTEMPTS: Mapping[str, str] = MappingProxyType(
    {
        "read_file": "read a file",
        "write_file": "write a file",
        "tcp": "reach the network by TCP",
        "udp": "reach the network by UDP",
        "unix": "reach a local socket",
        "fork": "fork",
        "exec": "execute a program",
        "thread": "start a thread",
        "kill_broker": "signal hookd",
        "kill_sibling": "signal another worker by kill",
        "tgkill_sibling": "signal another worker by tgkill",
        "sigqueue_sibling": "signal another worker by rt_tgsigqueueinfo",
        "broker_memory": "open hookd's memory",
        "broker_environ": "open hookd's environment",
        "broker_descriptor": "take a descriptor of hookd's",
        "executable_memory": "make memory executable",
        "big_memory": "allocate 1 GB",
    }
)
BENEATH = ("read_file", "write_file", "exec", "broker_memory", "broker_environ")
ALONE = ("tcp", "udp", "unix", "kill_broker", "broker_memory", "broker_environ", "broker_descriptor")
BASICS = ("limits", "no_new_privs")


@dataclass(frozen=True, slots=True)
class Isolation:
    """
    How well workers are locked up.

    Attributes:
        level: 0 to 4.
        layers: Layer → "" where it is in force, or why it is not.
        landlock_abi: Version of Landlock, 0 where there is none.
        seccomp_by: The call that installs the filter: "seccomp", "prctl" or "".
        uid: The user id that workers have.
        attempts: Attempt → how it was denied, or "done", with all layers in force.
        beneath: The same without the filter for system calls.
        alone: The same with the namespaces only.
        differences: What behaves otherwise after the lock than before.
        times_ms: How long parts of the start took.
    """

    level: int
    layers: Mapping[str, str]
    landlock_abi: int
    seccomp_by: str
    uid: int
    attempts: Mapping[str, str]
    beneath: Mapping[str, str]
    alone: Mapping[str, str]
    differences: tuple[str, ...]
    times_ms: Mapping[str, float]

    @property
    def name(self) -> str:
        """The level as people write it: "L3"."""
        return f"L{self.level}"

    def missing(self) -> list[tuple[str, str]]:
        """
        Return (what, why) for all that keeps this jail from the next level; nothing at the highest.
        """
        return _missing(self.level + 1, self.layers, self.attempts, self.beneath, self.alone)

    def reasons(self) -> list[str]:
        """
        Return what is missing in lines for people: "what: why".
        """
        return [f"{what}: {why}" for what, why in self.missing()]


UNKNOWN = Isolation(0, {}, 0, "", 0, {}, {}, {}, (), {})  # before the first probe


def read_report(report: Mapping[str, Any]) -> Isolation:
    """
    Return the zygote's *report* in the form that the broker uses.
    """
    return Isolation(
        level(report),
        report["layers"],
        report["landlock_abi"],
        report["seccomp_by"],
        report["uid"],
        report["attempts"],
        report["beneath"],
        report["alone"],
        tuple(report["differences"]),
        report["times_ms"],
    )


def level(report: Mapping[str, Any]) -> int:
    """
    Return the level, 0 to 4, that *report* shows. What was not attempted counts as a hole.
    """
    found = (report["layers"], report["attempts"], report["beneath"], report["alone"])
    return next((above - 1 for above in range(1, 5) if _missing(above, *found)), 4)


def _missing(
    wanted: int,
    layers: Mapping[str, str],
    attempts: Mapping[str, str],
    beneath: Mapping[str, str],
    alone: Mapping[str, str],
) -> list[tuple[str, str]]:
    """
    Return what keeps a jail on the level below *wanted* from it.
    """
    if wanted == 1:
        reasons = [(name, layers.get(name, "not reported")) for name in BASICS if layers.get(name, "not reported")]
        return reasons + _open(("big_memory",), attempts, "")
    if wanted == 2:
        why = _whys(layers, ("seccomp", "limits"))
        return _open(tuple(ATTEMPTS), attempts, why)
    if wanted == 3:
        why = _whys(layers, ("landlock", "root", "uid"))
        return _open(BENEATH, beneath, f"only the filter for system calls denies it; {why}")
    if wanted == 4:
        why = _whys(layers, ("user", "pid", "net", "ipc", "mount", "root"))
        return _open(ALONE, alone, f"namespaces alone do not deny it; {why}")
    return []


def _open(names: tuple[str, ...], outcomes: Mapping[str, str], why: str) -> list[tuple[str, str]]:
    return [(ATTEMPTS[name], why.rstrip("; ") or "a worker can") for name in names if outcomes.get(name, DONE) == DONE]


def _whys(layers: Mapping[str, str], names: tuple[str, ...]) -> str:
    return "; ".join(f"{name}: {layers[name]}" for name in names if layers.get(name))
