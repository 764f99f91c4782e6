"""
The shelf: where finished conversions stand until they are old.

    <shelf>/<day of the recording>/<key>/<name of the recording>.mp3

The key is a digest of what the result depends on: path, size and time of the recording, and what was asked for. So the
place itself remembers of what it is a conversion; there is no table that could say otherwise. A recording that changes
gets another key, and the old conversion goes with its day.

The shelf is a directory of its own and not the recording's: that one is made anew every day by the telephone system,
which alone may write there, and a file beside a recording could be somebody else's.
"""

import contextlib
import datetime
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hookd.errors import ToolFailedError
from hookd.tools import rooted
from hookd.tools.rooted import Recording

NAME = "hookd"  # of a shelf in a directory of recordings
RESERVE_BYTES = 100 * 1024 * 1024  # left free: a full disk costs the telephone system its next recordings
SWEPT_MAX = 500  # files that one conversion may delete, so that it does not wait for years of them
SAFE_S = 86_400  # a conversion is not deleted on the day it was made, however old its recording is

_KEY_CHARACTERS = 16  # of a digest: 64 bits tell all recordings of a telephone system apart
_STEM_BYTES = 200  # of a file's name, which may have 255
_VERSION = 1  # of what conversions come out like; another one makes every recording be converted again
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_KEY = re.compile(rf"[0-9a-f]{{{_KEY_CHARACTERS}}}")
_PARTIAL = ".part-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What shall become of recordings.

    Attributes:
        target: A key of TARGETS.
        bitrate: In kbit/s, where the target has one.
        out: The shelf; None is one in the recordings' own directory.
        days: Age of recordings whose conversions are deleted.
    """

    target: str
    bitrate: int
    out: Path | None
    days: int


@dataclass(frozen=True, slots=True)
class Slot:
    """
    The place of one conversion.

    Attributes:
        base: A directory that is there: the shelf, or that of the recordings, which has it.
        parts: Directories below it.
        name: Of the file.
    """

    base: Path
    parts: tuple[str, ...]
    name: str

    @property
    def shelf(self) -> Path:
        """The shelf's directory."""
        return self.base.joinpath(*self.parts[:-2])

    @property
    def path(self) -> Path:
        """Where the connector finds it."""
        return self.base.joinpath(*self.parts, self.name)


def slot(recording: Recording, facts: os.stat_result, wanted: Wanted) -> Slot:
    """
    Return the place of what *recording* becomes.

    Args:
        facts: About the recording, as it is converted.
    """
    place = recording.place
    told = (_VERSION, str(place.path), facts.st_size, facts.st_mtime_ns, wanted.target, wanted.bitrate)
    key = hashlib.sha256(repr(told).encode()).hexdigest()[:_KEY_CHARACTERS]
    day = time.strftime("%Y-%m-%d", time.gmtime(facts.st_mtime))
    stem = os.fsencode(place.path.stem)[:_STEM_BYTES].decode(errors="ignore")
    name = f"{stem}.{wanted.target}"
    return Slot(wanted.out, (day, key), name) if wanted.out else Slot(place.root, (NAME, day, key), name)


def is_ready(slot: Slot) -> bool:
    """
    Whether the conversion is there already; it counts as new again then.

    An empty file is none: that is what a power cut leaves of one that was just renamed.
    """
    with contextlib.suppress(OSError), rooted.directory(slot.base, slot.parts) as fd:
        facts = os.stat(slot.name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISREG(facts.st_mode) and facts.st_size:
            with contextlib.suppress(OSError):
                os.utime(slot.name, dir_fd=fd, follow_symlinks=False)
            return True
    return False


class Opened:
    """
    A place that is ready for writing.
    """

    def __init__(self, fd: int, slot: Slot) -> None:
        self._fd = fd
        self._slot = slot

    def free_bytes(self) -> int:
        """Return what is left of the disk for users such as this one."""
        found = os.statvfs(self._fd)
        return found.f_bavail * found.f_frsize

    @contextlib.contextmanager
    def partial(self) -> Iterator[tuple[str, int]]:
        """
        Make a new file, which goes again unless it is published; what others left there goes first.

        Raises:
            OSError: There is no room, or no right.
        """
        for name in os.listdir(self._fd):
            if name.startswith(_PARTIAL):  # of a conversion that was killed together with hookd
                os.unlink(name, dir_fd=self._fd)
        name = _PARTIAL + secrets.token_hex(8)
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | rooted.FOLLOW_NOTHING, 0o600, dir_fd=self._fd)
        try:
            yield name, fd
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._fd)

    def publish(self, partial: str) -> None:
        """
        Give the *partial* file its name, in one step.
        """
        os.rename(partial, self._slot.name, src_dir_fd=self._fd, dst_dir_fd=self._fd)


@contextlib.contextmanager
def opened(slot: Slot, recording: Recording, call: str) -> Iterator[Opened]:
    """
    Open the place of a conversion, and make its directories, for whoever may read the recording's.

    Raises:
        ToolFailedError: hookd may not write there.
    """
    try:
        fd = os.open(slot.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ToolFailedError(
            f"{call}: {slot.base} (records_out of the site): {error.strerror}.", _make(slot, recording)
        ) from error
    try:
        try:
            for name in slot.parts:
                below = _directory(fd, name, recording.directory)
                os.close(fd)
                fd = below
        except PermissionError as error:
            what = f"{call}: hookd's user {rooted.user()} may not write in {slot.shelf}."
            raise ToolFailedError(what, _make(slot, recording)) from error
        except OSError as error:  # a link or a file in the place of a directory, a full or a broken disk
            what = f"{call}: {slot.path.parent} cannot be made: {error.strerror}."
            raise ToolFailedError(what, f"Look at {slot.shelf}.") from error
        yield Opened(fd, slot)
    finally:
        os.close(fd)


def hand_over(fd: int, like: os.stat_result, call: str) -> None:
    """
    Give the file *fd* to whoever may read one that is *like* this, the recording.

    Raises:
        ToolFailedError: Those would be shut out.
    """
    os.fchmod(fd, stat.S_IRUSR | stat.S_IWUSR | like.st_mode & (stat.S_IRGRP | stat.S_IROTH))
    if not _own(fd, like) and not like.st_mode & stat.S_IROTH:
        owners = rooted.group(like.st_gid)
        raise ToolFailedError(
            f"{call}: hookd's user {rooted.user()} may not give the result to the group {owners}, as the recording is.",
            f"usermod -aG {owners} {rooted.user()}, then restart hookd.",
        )


def sweep(slot: Slot, days: int) -> int:
    """
    Delete conversions of recordings that are more than *days* old from the shelf of *slot*, some at a time; return how
    many.

    Only what has the form of ours is touched, and no link is followed.
    """
    oldest = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)).strftime("%Y-%m-%d")
    deleted = 0
    with contextlib.suppress(OSError), rooted.directory(slot.base, slot.parts[:-2]) as fd:
        for day in sorted(name for name in os.listdir(fd) if _DAY.fullmatch(name) and name < oldest):
            deleted += _sweep_day(fd, day, SWEPT_MAX - deleted)
            if deleted >= SWEPT_MAX:
                break
    return deleted


def _sweep_day(shelf: int, day: str, most: int) -> int:
    deleted = 0
    with contextlib.suppress(OSError):
        fd = os.open(day, rooted.DIRECTORY, dir_fd=shelf)
        try:
            for key in os.listdir(fd):
                if deleted >= most:
                    return deleted
                if _KEY.fullmatch(key):
                    deleted += _sweep_key(fd, key)
        finally:
            os.close(fd)
        os.rmdir(day, dir_fd=shelf)
    return deleted


def _sweep_key(day: int, key: str) -> int:
    deleted = 0
    with contextlib.suppress(OSError):
        fd = os.open(key, rooted.DIRECTORY, dir_fd=day)
        try:
            for name in os.listdir(fd):
                facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISREG(facts.st_mode) and facts.st_mtime < time.time() - SAFE_S:
                    os.unlink(name, dir_fd=fd)
                    deleted += 1
        finally:
            os.close(fd)
        os.rmdir(key, dir_fd=day)
    return deleted


def _directory(parent: int, name: str, like: os.stat_result) -> int:
    """Open the directory *name* in *parent*; make it, for whoever may enter one that is *like* this."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        fd = os.open(name, rooted.DIRECTORY, dir_fd=parent)
        try:
            os.fchmod(fd, stat.S_IRWXU | like.st_mode & 0o055)
            _own(fd, like)
        except BaseException:
            os.close(fd)
            raise
        return fd
    return os.open(name, rooted.DIRECTORY, dir_fd=parent)


def _own(fd: int, like: os.stat_result) -> bool:
    """Give *fd* the owner and group of *like*, as far as one may; return whether the group is right."""
    for uid in (like.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(fd, uid, like.st_gid)
            return True
    return os.fstat(fd).st_gid == like.st_gid


def _make(slot: Slot, recording: Recording) -> str:
    owners = rooted.group(recording.directory.st_gid)
    return f"install -d -o {rooted.user()} -g {owners} -m 0755 {slot.shelf}"
