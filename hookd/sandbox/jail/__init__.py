"""
What the kernel takes away from a worker before it sees a hook.

Own ctypes code: no root, no extra dependency, and nothing of it is reachable from a hook. Each constant has its source.
The zygote enters `namespaces` once; each worker calls `lock`, whose order matters: descriptors are closed before (a low
RLIMIT_NOFILE would be in the way of a Landlock ruleset), then Landlock, limits, and the filter for system calls last,
because it denies the calls that the others need.
"""

import contextlib
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from hookd.sandbox.jail import kernel, landlock, seccomp
from hookd.sandbox.jail.syscalls import refuse_deadly

MEGABYTE = 1024 * 1024
ADDRESS_SPACE_BYTES = 256 * MEGABYTE  # a warmed-up worker maps about 45 MB
STACK_BYTES = 8 * MEGABYTE  # what CPython's recursion limit is made for; one without limit would count on the heap
CPU_LIMIT_S = 120  # a backstop for a worker that the broker lost: it counts a warm worker's whole life
FILES_MAX = 16
FORKER_FILES_MAX = 256  # of the zygote, which holds a handful and a pipe to each child of the probe
NICE = 5  # the worker gives way to the HTTP process, and to live audio on the same machine
OOM_SCORE = 800  # of 1000: where memory runs out a worker dies, not the PBX and not the HTTP process

LIMITS = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NPROC, 0),  # root is exempt from this one
    (resource.RLIMIT_MEMLOCK, 0),
    (resource.RLIMIT_MSGQUEUE, 0),
    (resource.RLIMIT_STACK, STACK_BYTES),
    (resource.RLIMIT_NOFILE, FILES_MAX),
    (resource.RLIMIT_CPU, CPU_LIMIT_S),
    (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
)


class Lock(NamedTuple):  # no dataclass: they load 2 MB that the process which waits would hold for nothing
    """
    What the lock-down of every worker needs, made ready once.

    Attributes:
        code: The filter for system calls; b"" where there is none for this machine.
        landlock_abi: The version of Landlock; 0 where there is none.
        doors: Modules that a worker forgets. Looking for them there would write to 400 shared pages (reference counts).
    """

    code: bytes
    landlock_abi: int
    doors: tuple[str, ...]


def prepare() -> Lock:
    """
    Make ready what every lock-down needs.
    """
    try:
        code = seccomp.program(kernel.machine())
    except OSError:
        code = b""
    doors = [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]
    return Lock(code, landlock.abi(), tuple(doors))


def not_dumpable() -> None:
    """
    Refuse others of the same user this process's memory, environment and descriptors (ptrace, /proc, pidfd_getfd).
    """
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def dumpable() -> None:
    """
    Take `not_dumpable` back.
    """
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """
    Have the kernel send this process the signal *number* as soon as *parent*, a process id, has died.

    It does not outlast a fork, nor a change of user id.
    """
    kernel.prctl(kernel.PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died between the fork and the line above
        os._exit(1)


def no_new_privileges() -> None:
    """
    Let no program that is executed from here on give more rights than this process has.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) != 1:
        raise OSError(0, "no_new_privs: not kept")


def die_first() -> None:
    """
    Offer this process to the kernel when memory runs out; while it is dumpable, for its file is root's afterwards.
    """
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # no /proc: the kernel has its own ideas then
    try:
        os.write(fd, str(OOM_SCORE).encode())
    except OSError:
        pass  # it is set higher already, and may not be lowered
    finally:
        os.close(fd)


def give_way(steps: int) -> None:
    """
    Let others have the processor first, where that is not refused.
    """
    with contextlib.suppress(OSError):
        refuse_deadly("getpriority", "setpriority")
        os.nice(steps)


def close_inherited(keep: Iterable[int]) -> None:
    """
    Close every descriptor but *keep*, however high the limit is; and lower it for good, as far as `close_descriptors`
    of this process's children has to go.

    Without close_range(2) they would try every number below it: 0.1 s at systemd's 524 288, minutes at a container's
    billion.
    """
    try:
        found = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        close_descriptors(keep)
    else:
        for fd in set(found) - set(keep):
            with contextlib.suppress(OSError):  # the one that the list was read from is closed already
                os.close(fd)
    with contextlib.suppress(OSError):
        limit_resources([(resource.RLIMIT_NOFILE, FORKER_FILES_MAX)])


def close_descriptors(keep: Iterable[int]) -> None:
    """
    Close every descriptor but *keep*.
    """
    low = 0
    for fd in sorted(keep):
        if low < fd:  # closerange(0, 0) would close everything: close_range(2) takes its last, -1, for the highest
            os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, max(low, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def raise_descriptor_limit() -> None:
    """
    Take as many descriptors as the system grants: the usual 1024 are soon gone with one connection each.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit_resources(limits: Iterable[tuple[int, int]] = LIMITS) -> None:
    """
    Put *limits* in force, or lower ones where the system has set some.
    """
    for limit, wanted in limits:
        hard = resource.getrlimit(limit)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (value, value))


# Every layer that a worker puts on itself, in the order in which that is possible.
_STEPS: Mapping[str, Callable[[Lock], object]] = MappingProxyType(
    {
        "no_new_privs": lambda lock: no_new_privileges(),
        "landlock": lambda lock: landlock.deny_all(lock.landlock_abi),
        "limits": lambda lock: limit_resources(),
        "seccomp": lambda lock: _filter_calls(lock),
    }
)
LAYERS = tuple(_STEPS)


def lock(prepared: Lock, layers: Collection[str] = LAYERS) -> dict[str, str]:
    """
    Take away what a worker needs no more; there is no way back.

    Args:
        prepared: From `prepare`.
        layers: Those to put in force; the probe leaves some out.

    Returns:
        Each of *layers* → "" where it is in force, or why it is not.
    """
    not_dumpable()
    give_way(NICE)
    reasons = {}
    for name in LAYERS:
        if name in layers:
            reasons[name] = _attempt(_STEPS[name], prepared)
    # Cosmetic: code that has broken out of the language finds no door that stands open.
    for name in prepared.doors:
        sys.modules.pop(name, None)
    return reasons


def _attempt(step: Callable[[Lock], object], prepared: Lock) -> str:
    try:
        step(prepared)
        return ""
    except OSError as error:
        return kernel.reason(error)


def _filter_calls(prepared: Lock) -> None:
    if not prepared.code:
        raise OSError(errno.ENOSYS, f"no filter for {kernel.machine()}")
    seccomp.install(seccomp.patched(prepared.code, os.getpid()))
