"""
The files in which the HTTP processes keep their figures, so that they add up.

prometheus_client looks for the variable when it is imported. So this module, which is what the server needs before it
forks, knows nothing of prometheus_client, nor of `metrics`, which imports it.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

ROOT = "/dev/shm"  # memory: a full disk would kill whoever writes a figure
ROOM_BYTES = 64 * 1024 * 1024  # that has to be free there, so that hookd is not what fills it
RESERVED_BYTES = 1024 * 1024  # of each kind and process: some 8,000 figures with their labels
PREFIX = "hookd-metrics-"
OWNER = "owner"  # the file in it that is locked as long as anybody keeps figures there
KINDS = ("counter", "histogram", "gauge_livesum", "gauge_livemax", "gauge_livemostrecent")


def make() -> None:
    """
    Have all processes that come of this one keep their figures in a fresh directory; those of servers that were killed
    are removed.

    Call it before `hookd.metrics` is imported.
    """
    _sweep()
    has_room = os.access(ROOT, os.W_OK) and shutil.disk_usage(ROOT).free >= ROOM_BYTES
    directory = tempfile.mkdtemp(prefix=PREFIX, dir=ROOT if has_room else None)
    _own(Path(directory))
    os.environ[VARIABLE] = directory


def are_shared() -> bool:
    """Return whether there are such files: otherwise the figures are this process's own."""
    return bool(os.environ.get(VARIABLE))


def reserve() -> None:
    """
    Have the kernel set the memory aside that this process's figures are kept in, where several processes add theirs up.

    prometheus_client would make the files sparse: whoever fills /dev/shm later had the next new figure end the process.
    Called before the first figure of this process, it finds them there, and takes them as they are.

    Raises:
        OSError: There is no room.
    """
    if not are_shared():
        return
    for kind in KINDS:
        with (Path(os.environ[VARIABLE]) / f"{kind}_{os.getpid()}.db").open("a+b") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVED_BYTES)


def release() -> None:
    """
    Remove the files of this process, which never served: one that fails to start is tried again and again.
    """
    if are_shared():
        for path in Path(os.environ[VARIABLE]).glob(f"*_{os.getpid()}.db"):
            path.unlink(missing_ok=True)


def remove() -> None:
    """
    Remove the directory, when all processes have ended.
    """
    shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)


def _own(directory: Path) -> None:
    """Lock *directory*, until this process and all that it forks have ended: only the kernel closes the file."""
    unseen = directory / f"{OWNER}.new"  # nobody is to find it without its lock
    fd = os.open(unseen, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    unseen.rename(directory / OWNER)


def _sweep() -> None:
    for root in {ROOT, tempfile.gettempdir()}:
        for directory in Path(root).glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):  # it is being made, it is in use, or another one removes it
                _remove_left(directory)


def _remove_left(directory: Path) -> None:
    """
    Remove *directory*, if it is ours and nobody's any more.

    Raises:
        OSError: Somebody has it locked, or it has no lock.
    """
    if directory.lstat().st_uid != os.geteuid():
        return
    fd = os.open(directory / OWNER, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in sorted(directory.iterdir(), key=lambda path: path.name == OWNER):  # last, so that the rest is found
            path.unlink()
        directory.rmdir()
    finally:
        os.close(fd)
