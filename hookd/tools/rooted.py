"""
Recordings are opened inside of the site's directories for them, and nowhere else.

Links are followed first, all of them; what they lead to must lie below a root. It is then opened from that root
downwards, one name at a time, none of which may be a link any more: whoever swaps a directory for a link between the
two gets an error, not another file.
"""

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookd.errors import ToolFailedError

FOLLOW_NOTHING = os.O_NOFOLLOW | os.O_CLOEXEC
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | FOLLOW_NOTHING
# A FIFO would block its reader, a terminal could become ours.
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | FOLLOW_NOTHING

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a path leads.

    Attributes:
        asked: The path as it was given.
        root: Directory of recordings that it lies in, as it was set.
        parts: What it leads to below the root, without links.
        path: What it leads to.
    """

    asked: str
    root: Path
    parts: tuple[str, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class Recording:
    """
    A recording that is open for reading.

    Attributes:
        directory: Facts about the directory it is in.
    """

    place: Place
    fd: int
    directory: os.stat_result

    @property
    def name(self) -> str:
        """Its file name."""
        return self.place.path.name

    def facts(self) -> os.stat_result:
        """Return what the file is like now."""
        return os.fstat(self.fd)

    def head(self, size: int) -> bytes:
        """Return its first *size* bytes, or what there is of them."""
        return os.pread(self.fd, size, 0)


def place(asked: str, roots: Iterable[Path], call: str) -> Place:
    """
    Return where *asked* leads.

    Args:
        call: Name of the call, for messages.

    Raises:
        ToolFailedError: It is no absolute path, or leads out of *roots*.
    """
    if not asked.startswith("/") or "\0" in asked:
        raise ToolFailedError(f"{call}: {_shown(asked)} is no absolute path.", 'Give it as it came: request["path"].')
    path = Path(os.path.realpath(asked))
    known = {root: Path(os.path.realpath(root)) for root in roots}
    root = next((root for root, leads_to in known.items() if leads_to == path or leads_to in path.parents), None)
    if root is None:
        leads = "" if str(path) == asked else f", which leads to {_shown(str(path))},"
        raise ToolFailedError(
            f"{call}: {_shown(asked)}{leads} is outside of the directories for recordings.",
            f"They are {', '.join(map(str, known))} (records_roots of the site).",
        )
    return Place(asked, root, path.relative_to(known[root]).parts, path)


@contextlib.contextmanager
def directory(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """
    Open the directory that is *parts* below *root*, which may be a link itself.

    Raises:
        OSError: It is not there, is no directory, or has a link on its way.
    """
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            below = os.open(part, DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def exists(found: Place) -> bool:
    """
    Whether there is a regular file at *found*.

    Raises:
        OSError: hookd may not look there.
    """
    try:
        with directory(found.root, found.parts[:-1]) as fd:
            facts = os.stat(found.parts[-1] if found.parts else ".", dir_fd=fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(facts.st_mode)


@contextlib.contextmanager
def recording(found: Place, call: str) -> Iterator[Recording]:
    """
    Open the recording at *found*.

    Raises:
        ToolFailedError: It is not there, is no regular file, may not be read, or is being swapped.
    """
    try:
        with directory(found.root, found.parts[:-1]) as parent:
            fd = os.open(found.parts[-1] if found.parts else ".", FILE, dir_fd=parent)
            facts = os.fstat(parent)
    except OSError as error:
        raise _not_opened(found, call, error) from error
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
            raise ToolFailedError(f"{call}: {found.asked} is {kind}.", "A recording is a regular file.")
        yield Recording(found, fd, facts)
    finally:
        os.close(fd)


def user() -> str:
    """
    Return the name of the user that hookd runs as.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def group(gid: int) -> str:
    """
    Return the name of the group *gid*.
    """
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _not_opened(found: Place, call: str, error: OSError) -> ToolFailedError:
    shown = _shown(found.asked)
    if isinstance(error, FileNotFoundError):
        return ToolFailedError(
            f"{call}: there is no file {shown}.",
            "Ask records.exists(path) first, or look for it: records.find(call.linkedid).",
        )
    if isinstance(error, PermissionError):
        with contextlib.suppress(OSError):
            owners = group(os.stat(found.path.parent).st_gid)
            return ToolFailedError(
                f"{call}: hookd's user {user()} may not read {shown}.",
                f"Its directory belongs to the group {owners}: usermod -aG {owners} {user()}, then restart hookd.",
            )
        return ToolFailedError(f"{call}: hookd's user {user()} may not read {shown}.", f"See who may: namei -l {shown}")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ToolFailedError(f"{call}: {shown} is swapped while it is opened, or has a loop of links.", "Look at it.")
    return ToolFailedError(f"{call}: {shown} cannot be opened: {error.strerror}.", "Is the disk mounted, and healthy?")


def _shown(path: str) -> str:
    return repr(path[:200]) if not path.isprintable() or len(path) > 200 else path or "''"
