"""
The text of hooks' files: whether it changed, and what of it is fit to be shown to a worker.
"""

import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from hookd.errors import LoadError, Problem
from hookd.hooks import LIB, SETTINGS_FILE, TEMPLATE_SUFFIX, TEMPLATES
from hookd.points import KINDS
from hookd.tools.lists import FOLDER as LISTS
from hookd.tools.lists import names as list_names

MAX_SOURCE_BYTES = 65_536  # longer sources take the compiler seconds; real hooks have 1 to 5 KB

# Characters that show a reader another program than the one that runs (Trojan Source, CVE-2021-42574).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Stamps = Mapping[str, tuple[int, ...]]


def look(directory: Path) -> Stamps:
    """
    Return what tells versions of the files below *directory* apart: relative path → stat facts.

    Raises:
        OSError: The directory is there, but cannot be looked at.
    """
    stamps: dict[str, tuple[int, ...]] = {}
    for folder in ("", LIB, *KINDS, TEMPLATES):
        suffix = TEMPLATE_SUFFIX if folder == TEMPLATES else ".py"
        try:
            with os.scandir(directory / folder) as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            continue  # anything else (no descriptors left, a mount that is gone) is no reason to drop hooks
        for entry in entries:
            if not entry.name.endswith(suffix) and (folder or entry.name != SETTINGS_FILE):
                continue
            if not entry.name.isprintable() or entry.name != entry.name.encode(errors="replace").decode():
                continue  # no name of a hook or a lib file
            name = f"{folder}/{entry.name}" if folder else entry.name
            try:
                facts = entry.stat()  # of the target, where it is a link: mounted directories swap links
            except FileNotFoundError:  # gone between the two calls, or a link to nothing
                continue
            except OSError as error:  # a link to itself, say: reading it will tell
                stamps[name] = (-(error.errno or 0),)
            else:
                stamps[name] = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino, facts.st_mode)
    # Of lists only whether they are there: they are read when they are asked for.
    return stamps | {f"{LISTS}/{file}": () for files in list_names(directory).values() for file in files}


def read_source(directory: Path, file: str) -> str:
    """
    Return the text of *file* below *directory*.

    Raises:
        LoadError: It is not a regular file, too long, writable by everybody, not UTF-8, or holds control or
            bidirectional characters.
    """
    try:
        fd = os.open(directory / file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block
    except OSError as error:
        raise LoadError(
            [Problem(file, 0, f"cannot be read: {error.strerror}.", "hookd's user must be able to.")]
        ) from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise LoadError([Problem(file, 0, "this is not a regular file.", "Put the hook's text here.")])
        if facts.st_mode & stat.S_IWOTH:
            raise LoadError([Problem(file, 0, "everybody on this machine may write it.", f"chmod o-w {file}")])
        data = _read(fd, MAX_SOURCE_BYTES + 1)
    finally:
        os.close(fd)
    if len(data) > MAX_SOURCE_BYTES:
        raise LoadError([Problem(file, 0, f"is longer than {MAX_SOURCE_BYTES} bytes.", "Move parts of it to lib/.")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LoadError([Problem(file, line, "is not UTF-8 here.", "Save the file as UTF-8.")]) from error
    text = text.replace("\r\n", "\n")
    for index, character in enumerate(text):
        if character in _BIDI or (unicodedata.category(character) == "Cc" and character not in "\n\t\f"):
            line = text.count("\n", 0, index) + 1
            what = f"U+{ord(character):04X}, which no editor shows"
            raise LoadError(
                [Problem(file, line, f"holds the character {what}.", "Delete it, or write it as an escape.")]
            )
    return text


def read_all(directory: Path, stamps: Iterable[str]) -> tuple[dict[str, str], dict[str, Problem]]:
    """
    Return the texts of the files in *stamps* but for lists, and what is wrong with those that cannot be read.
    """
    files: dict[str, str] = {}
    unreadable: dict[str, Problem] = {}
    for file in sorted(stamps):
        if file.startswith(f"{LISTS}/"):
            continue
        try:
            files[file] = read_source(directory, file)
        except LoadError as error:
            unreadable[file] = error.problems[0]
    return files, unreadable


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (part := os.read(fd, size - len(data))):
        data += part
    return data
