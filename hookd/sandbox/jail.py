"""
What the kernel takes away from a worker before it sees a hook.

Own ctypes code: no root, no extra dependency, and nothing of it is reachable from a hook. Each constant has its source.
The order matters: descriptors first (a low RLIMIT_NOFILE would be in the way of later steps), then the parent-death
signal, dumpability, limits, no_new_privs.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Iterable

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

MEGABYTE = 1024 * 1024
ADDRESS_SPACE_BYTES = 256 * MEGABYTE  # a warmed-up worker maps about 45 MB
CPU_LIMIT_S = 120  # a backstop for a worker that the broker lost: it counts a warm worker's whole life
FILES_MAX = 16
NICE = 5  # the worker gives way to the HTTP process, and to live audio on the same machine

LIMITS = (
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_NPROC, 0),  # root is exempt from this one
    (resource.RLIMIT_MEMLOCK, 0),
    (resource.RLIMIT_MSGQUEUE, 0),
    (resource.RLIMIT_NOFILE, FILES_MAX),
    (resource.RLIMIT_CPU, CPU_LIMIT_S),
    (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
)


def not_dumpable() -> None:
    """
    Refuse others of the same user this process's memory, environment and descriptors (ptrace, /proc, pidfd_getfd).
    """
    _prctl(PR_SET_DUMPABLE, 0)


def end_with(parent: int, number: int = signal.SIGKILL) -> None:
    """
    Have the kernel send this process the signal *number* as soon as *parent*, a process id, has died.
    """
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died between the fork and the line above
        os._exit(1)


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


def lock() -> None:
    """
    Take away what a worker needs no more; there is no way back.
    """
    not_dumpable()
    os.nice(NICE)
    for limit, wanted in LIMITS:
        hard = resource.getrlimit(limit)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (value, value))
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")
