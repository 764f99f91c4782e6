"""
The token that the bridge shows to hookd: the one that it has, one that is made for it, or one that there is.
"""

import os
import secrets
from pathlib import Path

from hookd.errors import SettingsError, UsageError
from hookd.settings import SiteSettings, read_tokens

TOKEN_BYTES = 24


def read(file: Path) -> str:
    """
    Return the first token in *file*.

    Raises:
        UsageError: It cannot be read, or has none that hookd would take.
    """
    try:
        return read_tokens(file)[0]
    except SettingsError as error:
        raise UsageError(str(error)) from error


def choose(site: SiteSettings, name: str, *, now: str) -> tuple[str, str]:
    """
    Return a token with which the site *name* lets the bridge in, and where it comes from; "" where none is needed.

    Args:
        now: The token that the bridge has; it stays if it fits.

    Raises:
        UsageError: One was to be added to the site's tokens_file, and that cannot be written.
    """
    if now and now in site.tokens:
        return now, "the bridge's own, as before"
    if not site.tokens:
        return "", f"none is set for the site {name}, so hookd answers this machine only, and asks for none"
    if len(site.files) < 2:  # no tokens_file
        return site.tokens[0], f"the first of the tokens that are set for the site {name}"
    made, file = secrets.token_urlsafe(TOKEN_BYTES), site.files[1]
    _append(file, made)
    return made, f"made for the bridge, and added to {file}"


def _append(file: Path, token: str) -> None:
    """Add a line in one go: hookd reads the file whenever it changes."""
    temporary = file.with_name(f".{file.name}.new")
    try:
        text = file.read_text("utf-8")
        found = file.stat()
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
            new.write(text + ("" if text.endswith("\n") else "\n") + token + "\n")
            new.flush()
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(new.fileno(), found.st_uid, found.st_gid)
            os.fchmod(new.fileno(), found.st_mode & 0o777)
        os.replace(temporary, file)
    except OSError as error:
        raise UsageError(f"{file}: a token for the bridge cannot be added: {error.strerror}") from error
