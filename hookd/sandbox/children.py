"""
Throw-away children of the zygote: each does one piece of work, tells what came of it, and is gone.

A few at a time. A cgroup may leave hookd hardly more processes than it needs, a limit of its user hardly more
descriptors: where no further child can be had, one that runs is waited for.
"""

import errno
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from hookd.errors import SandboxError
from hookd.sandbox import jail

AT_ONCE = 6  # more of them end no sooner on the few cores that there are
SCARCE = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
# Without a single child for that long there is no room for workers either.
BARREN_S, RETRY_S = 5.0, 0.02
READ_BYTES = 65_536

Key = tuple[str, str]
Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Work:
    """What a child does, given a function to tell with, and how long it may take."""

    do: Callable[[Tell], object]
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """
    What came of a child.

    Attributes:
        told: By the child; the name of the exception where its work raised one.
        status: Wait status; exit code 1 where its work raised an exception.
        is_late: Whether it was killed because its time was over, or not even started.
    """

    told: bytes
    status: int
    is_late: bool = False

    @property
    def signal(self) -> str:
        """The name of the signal that ended it, or ""."""
        return signal.Signals(os.WTERMSIG(self.status)).name if os.WIFSIGNALED(self.status) else ""


@dataclass(slots=True)
class _Child:
    key: Key
    pid: int
    fd: int
    deadline: float
    told: bytes = b""


def run(works: Mapping[Key, Work], nothing_fd: int, seconds: float) -> dict[Key, Ended]:
    """
    Do all *works*, in their order, and return what came of each.

    Args:
        nothing_fd: /dev/null, for the standard streams of the children.
        seconds: For all of them together.

    Raises:
        SandboxError: There was no room for a single child.
    """
    deadline = time.monotonic() + seconds
    waiting, running, ended = deque(works), dict[int, _Child](), dict[Key, Ended]()
    poll = select.poll()
    barren_until = time.monotonic() + BARREN_S
    while (waiting or running) and time.monotonic() < deadline:
        while waiting and len(running) < AT_ONCE:
            try:
                child = _fork(waiting[0], works[waiting[0]], nothing_fd)
            except OSError as error:
                if error.errno not in SCARCE or not (running or time.monotonic() < barren_until):
                    raise SandboxError(f"no child can be forked for the sandbox's probe: {error}") from error
                break
            waiting.popleft()
            running[child.fd] = child
            poll.register(child.fd, select.POLLIN)
        if running:
            barren_until = time.monotonic() + BARREN_S
        _listen(poll, running, ended, deadline)
    for child in running.values():
        ended[child.key] = _end(child, is_late=True)
    return ended | {key: Ended(b"", 0, is_late=True) for key in waiting}


def _listen(poll: select.poll, running: dict[int, _Child], ended: dict[Key, Ended], deadline: float) -> None:
    """
    Take what children tell next; move those from *running* to *ended* that are, or whose time is over.
    """
    until = min([deadline, *(child.deadline for child in running.values())]) if running else time.monotonic() + RETRY_S
    for fd, _ in poll.poll(max(until - time.monotonic(), 0) * 1000):
        told = os.read(fd, READ_BYTES)
        running[fd].told += told
        if not told:
            poll.unregister(fd)
            child = running.pop(fd)
            ended[child.key] = _end(child, is_late=False)
    for child in [child for child in running.values() if time.monotonic() >= child.deadline]:
        poll.unregister(child.fd)
        del running[child.fd]
        ended[child.key] = _end(child, is_late=True)


def _end(child: _Child, *, is_late: bool) -> Ended:
    if is_late:
        os.kill(child.pid, signal.SIGKILL)
    os.close(child.fd)
    return Ended(child.told, os.waitpid(child.pid, 0)[1], is_late)


def _fork(key: Key, work: Work, nothing_fd: int) -> _Child:
    parent = os.getpid()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        _become_child(work, nothing_fd, writing, parent)
    os.close(writing)
    return _Child(key, pid, reading, time.monotonic() + work.seconds)


def _become_child(work: Work, nothing_fd: int, writing: int, parent: int) -> NoReturn:
    code = 1
    try:
        for standard in (0, 1, 2):
            os.dup2(nothing_fd, standard)
        jail.close_descriptors({0, 1, 2, writing})
        jail.end_with(parent)
        work.do(lambda text: os.write(writing, text.encode()))
        code = 0
    except BaseException as error:
        os.write(writing, type(error).__name__.encode())
    finally:
        os._exit(code)
