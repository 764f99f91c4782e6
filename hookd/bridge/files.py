"""
The bridge's files in the connector's directory of actions: put there, looked at, taken away.

    actions/<point>.php              the bridge, the same file for each point
    actions/hookd/config.php         where hookd is, and the token
    actions/hookd/installed.json     what was put here, and what stood there before
    actions/hookd/old/<point>.php    the action that was replaced

Every file is written beside its place and renamed into it, so that the connector never reads half of one. What is
replaced is kept, and comes back when the bridge is removed; what somebody else has put over the bridge since is left
alone. Doing anything twice is the same as doing it once.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hookd import documents
from hookd.bridge.config import CONFIG, FOLDER, Config
from hookd.bridge.php import ACTION, MARK, names
from hookd.errors import NotJsonError, UsageError
from hookd.points import POINTS, Point

INSTALLED, OLD = "installed.json", "old"
OLD_LAYOUT = "custom"  # the directory's name before the connector's 3.4.0, whose points had other names
CONFIG_MODE, FILE_MODE = 0o640, 0o644

_NO_CODE = re.compile(r"<\?(?:php)?|\?>|/\*.*?\*/|(?://|#)[^\n]*|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Change:
    """What was done about one file."""

    file: Path
    what: str
    is_changed: bool = True


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    What stood in a file's place before the bridge.

    Attributes:
        old: Name of its copy below `old/`; "" if there was none.
        link: Where it led, if it was a symbolic link.
        is_action: Whether it had any code: the connector's examples have none.
    """

    old: str = ""
    link: str = ""
    is_action: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How it stands with one file.

    Attributes:
        state: bridge, outdated (a bridge of another version), overwritten (by somebody else, since), gone (since),
            theirs, example (theirs, without code), or none.
        has_old: Whether there is an action that the bridge has replaced.
    """

    point: str
    file: Path
    state: str
    has_old: bool = False


@dataclass(slots=True)
class _Folder:
    """The connector's directory, and the record of what was put there."""

    directory: Path
    entries: dict[str, _Entry] = field(default_factory=dict)

    @property
    def own(self) -> Path:
        return self.directory / FOLDER

    def save(self) -> None:
        text = json.dumps({name: asdict(entry) for name, entry in sorted(self.entries.items())}, indent=2) + "\n"
        _write(self.own / INSTALLED, text.encode(), self.directory.stat(), mode=FILE_MODE)


def install(directory: Path, points: Iterable[Point], config: Config, *, group: int | None = None) -> list[Change]:
    """
    Put the bridge in the place of each of *points*, and return what was done.

    Args:
        group: Id of the group that may read the config; None is the directory's.

    Raises:
        UsageError: The directory is not there, or cannot be written to.
    """
    folder = _open(directory)
    try:
        _make_directory(folder.own, directory)
        _make_directory(folder.own / OLD, directory)
        changes = [_write_config(folder, config, group)]
        for name in [name for point in points for name in names_in(directory, point)]:
            changes.append(_install_one(folder, name))
            folder.save()
    except OSError as error:
        raise _unwritable(error, directory) from error
    return changes


def remove(directory: Path, points: Iterable[Point] | None = None) -> list[Change]:
    """
    Take the bridge away from *points*, all without any, bring back what stood there, and return what was done.

    Raises:
        UsageError: The directory is not there, or cannot be written to.
    """
    folder = _open(directory)
    wanted = None if points is None else {name for point in points for name in names_in(directory, point)}
    changes = []
    try:
        for name in [name for name in folder.entries if wanted is None or name in wanted]:
            changes.append(_remove_one(folder, name))
            folder.save()
        if folder.own.is_dir() and not folder.entries:
            changes += _remove_own(folder)
    except OSError as error:
        raise _unwritable(error, directory) from error
    return changes


def standings(directory: Path) -> list[Standing]:
    """
    Return how it stands with the file of each point, in the points' order.

    Raises:
        UsageError: The directory is not there, or cannot be read.
    """
    folder = _open(directory)
    try:
        return [
            Standing(point.name, _file(directory, name), _state(folder, name), has_old=_has_old(folder, name))
            for point in POINTS.values()
            for name in names_in(directory, point)
        ]
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from error


def old_actions(directory: Path) -> dict[str, Path]:
    """
    Return the connector's own actions by point: those that the bridge has replaced, and those in place that have code.

    Raises:
        UsageError: The directory is not there, or cannot be read.
    """
    folder = _open(directory)
    found: dict[str, Path] = {}
    for one in reversed(standings(directory)):
        if one.state in ("theirs", "overwritten") and not _is_example(one.file):
            found[one.point] = one.file
        elif one.has_old:
            found[one.point] = folder.own / OLD / folder.entries[one.file.stem].old
    return {name: found[name] for name in POINTS if name in found}


def names_in(directory: Path, point: Point) -> tuple[str, ...]:
    """
    Return the names of *point*'s files in *directory*: in the old layout all that it ever had, else today's.
    """
    return names(point) if directory.name == OLD_LAYOUT else (point.name,)


# ---- one file --------------------------------------------------------------------------------------------------


def _install_one(folder: _Folder, name: str) -> Change:
    file, state = _file(folder.directory, name), _state(folder, name)
    bridge = ACTION.read_bytes()
    if state == "bridge":
        folder.entries.setdefault(name, _Entry())
        return Change(file, "is there already", is_changed=False)
    said = "installed"
    mode = FILE_MODE
    if state == "overwritten" and _is_example(file) and _has_old(folder, name):
        said = "installed again, over a file without code"  # an update of the connector's, hardly anybody's wish
    elif state in ("theirs", "example", "overwritten"):
        mode = file.stat().st_mode & 0o777 if file.exists() else FILE_MODE
        folder.entries[name] = _keep(folder, name)
        old = folder.own / OLD / folder.entries[name].old
        what = "the action that stood there" if folder.entries[name].is_action else "what stood there, without code,"
        said = f"installed; {what} is kept as {old}"
        folder.save()  # before it is replaced: a crash in between loses nothing
    elif state == "outdated":
        said = "brought up to date"
    elif state == "gone":
        said = "installed again"
    folder.entries.setdefault(name, _Entry())
    _write(file, bridge, folder.directory.stat(), mode=mode)
    return Change(file, said)


def _keep(folder: _Folder, name: str) -> _Entry:
    """Copy what stands in a file's place to `old/`; what is there already stays, under a number."""
    file = _file(folder.directory, name)
    link = os.readlink(file) if file.is_symlink() else ""
    is_action = file.exists() and not _is_example(file)
    if not file.exists():  # a link that leads nowhere
        return _Entry("", link, is_action=False)
    old = folder.own / OLD / (f"{name}.php" if is_action else f"{name}.example")
    if old.exists() and not _is_same(old, file):
        number = next(number for number in range(1, 10_000) if not old.with_name(f"{old.name}.{number}").exists())
        os.replace(old, old.with_name(f"{old.name}.{number}"))
    found = file.stat()
    _write(old, file.read_bytes(), found, mode=found.st_mode & 0o777)
    os.utime(old, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)
    return _Entry(old.name, link, is_action=is_action)


def _remove_one(folder: _Folder, name: str) -> Change:
    file, state = _file(folder.directory, name), _state(folder, name)
    entry = folder.entries.pop(name)
    old = folder.own / OLD / entry.old if entry.old else None
    if state == "overwritten":
        kept = f"; what the bridge had replaced stays in {old}" if old else ""
        return Change(file, f"left alone, since somebody has put another file there{kept}", is_changed=False)
    if entry.link:
        _relink(file, entry.link)
        if old:
            old.unlink()
        return Change(file, f"the link to {entry.link} is back")
    if old and old.exists():
        os.replace(old, file)
        return Change(file, "what stood there is back")
    file.unlink(missing_ok=True)
    return Change(file, "removed")


def _relink(file: Path, target: str) -> None:
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, file)


def _remove_own(folder: _Folder) -> Iterator[Change]:
    for name in (CONFIG, INSTALLED):
        (folder.own / name).unlink(missing_ok=True)
    for directory in (folder.own / OLD, folder.own):
        if next(directory.iterdir(), None) is None if directory.is_dir() else False:
            directory.rmdir()
    left = sorted(path for path in folder.own.rglob("*") if path.is_file()) if folder.own.is_dir() else []
    yield Change(folder.own, f"removed, but for {', '.join(map(str, left))}" if left else "removed")


def _state(folder: _Folder, name: str) -> str:
    file = _file(folder.directory, name)
    is_known = name in folder.entries
    if not os.path.lexists(file):
        return "gone" if is_known else "none"
    if not file.is_symlink() and file.is_file():
        content = file.read_bytes()
        if content == ACTION.read_bytes():
            return "bridge"
        if MARK.encode() in content[:200]:
            return "outdated"
    if is_known:
        return "overwritten"
    return "example" if _is_example(file) else "theirs"


def _has_old(folder: _Folder, name: str) -> bool:
    entry = folder.entries.get(name)
    return entry is not None and entry.is_action and (folder.own / OLD / entry.old).is_file()


def _is_example(file: Path) -> bool:
    """Return whether *file* has nothing but comments: then there is no action that anybody could miss."""
    try:
        return not _NO_CODE.sub("", file.read_text("utf-8", errors="replace"))
    except FileNotFoundError:
        return True


def _is_same(one: Path, other: Path) -> bool:
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.php"


# ---- the folder ------------------------------------------------------------------------------------------------


def _open(directory: Path) -> _Folder:
    if not directory.is_dir():
        raise UsageError(
            f"{directory}: there is no such directory. Name the connector's with --dir: "
            "/opt/itgrix_bx/customizer/actions, or /opt/itgrix_bx/custom before its version 3.4.0"
        )
    file = directory / FOLDER / INSTALLED
    try:
        found = documents.parse(file.read_bytes())
        entries = {name: _Entry(**entry) for name, entry in found.items()}
    except FileNotFoundError:
        entries = {}
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except (NotJsonError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{file}: is not what hookd wrote: {error}. Move it away; the old actions stay in {file.parent / OLD}"
        ) from error
    return _Folder(directory, entries)


def _write_config(folder: _Folder, config: Config, group: int | None) -> Change:
    file = folder.own / CONFIG
    text = config.text().encode()
    is_there = file.is_file() and file.read_bytes() == text
    if not is_there:
        _write(file, text, folder.directory.stat(), mode=CONFIG_MODE)
    if group is not None:
        os.chown(file, -1, group, follow_symlinks=False)
    return Change(file, "is there already" if is_there else "written", is_changed=not is_there)


def _make_directory(path: Path, like: Path) -> None:
    if path.is_symlink():
        raise UsageError(f"{path}: is a symbolic link; hookd keeps its files in a directory of its own. Move it away")
    if path.is_dir():
        return
    path.mkdir()
    opened = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        found = like.stat()
        _give(opened, found, path)
        os.fchmod(opened, found.st_mode & 0o777)
    finally:
        os.close(opened)


def _write(path: Path, data: bytes, like: os.stat_result, *, mode: int) -> None:
    """
    Write a file in one go, owned as *like* is, so that whoever reads that one reads this too.

    The directory may belong to somebody else, and this may be root: a file is opened anew and given away by its
    descriptor, so that no link that is put in its place leads elsewhere.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        _give(file.fileno(), like, temporary)
        os.fchmod(file.fileno(), mode)
    os.replace(temporary, path)


def _give(opened: int, like: os.stat_result, path: Path) -> None:
    now = os.fstat(opened)
    if (now.st_uid, now.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.fchown(opened, like.st_uid, like.st_gid)
    except PermissionError as error:
        raise PermissionError(error.errno, "it cannot be given to the directory's owner", str(path)) from error


def _unwritable(error: OSError, directory: Path) -> UsageError:
    return UsageError(
        f"{error.filename or directory}: cannot be written: {error.strerror}. "
        f"Run this as root, or as the owner of {directory}"
    )
