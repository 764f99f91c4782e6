"""
One consumer for a state directory: a lock that the kernel gives back however the process ends.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from hookd.errors import ConsumerError, StorageError

NAME = "consumer.lock"
PATIENCE_S = 1.0  # somebody may just be looking whether the lock is held


@contextlib.contextmanager
def hold(state: Path) -> Iterator[None]:
    """
    Hold the lock of *state*.

    Raises:
        ConsumerError: Another consumer holds it.
        StorageError: There is no lock to be had in that directory.
    """
    fd = _open(state)
    try:
        _take(fd, state)
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(fd)


def is_held(state: Path) -> bool:
    """
    Return whether a consumer works on *state*.
    """
    try:
        fd = os.open(state / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _open(state: Path) -> int:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(state / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"{state / NAME}: cannot be opened: {error.strerror}.") from error


def _take(fd: int, state: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if time.monotonic() > end:
                pid = os.pread(fd, 20, 0).decode(errors="replace").strip() or "?"
                raise ConsumerError(
                    f"{state}: another consumer works here already, process {pid}; one does all the work there is"
                ) from error
        time.sleep(0.05)
