"""
Key files: a secret of the installation in a file of its own, made at its first use, whole or not at all.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from hookd.errors import StorageError
from hookd.storage import DIRECTORY_MODE, FILE_MODE


def read_or_make(path: Path, make: Callable[[], bytes]) -> bytes:
    """
    Return the content of *path*; where there is no such file, it is made, for its owner's eyes, of what *make* returns.

    Processes that look for it at the same moment agree, also where one of them is killed or the power fails: each
    writes a draft of its own, and the first one that gives it the name counts.

    Raises:
        StorageError: There is no room to make it.
        OSError: It can be neither read nor made.
    """
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # rename(2) would replace the key of whoever was faster
        _flush(path.parent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(f"{path}: there is no room left on its disk. Make room there.") from error
        raise
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(directory: Path) -> None:
    """Have the names in *directory* outlive a power failure, as what is sealed with a key does."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
