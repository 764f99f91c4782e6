"""
A site's secrets: a file each in `secrets/`, filled in where a hook writes {secret:NAME}, masked in what comes back.

A hook never sees one: the broker puts it into the request on its way out, and takes it out of what the other side
says.
"""

import html
import json
import os
import re
import stat
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, quote_plus

from hookd.errors import ToolFailedError
from hookd.tools.call import Json

FOLDER = "secrets"  # below the site's directory
MAX_BYTES = 8192
MIN_CHARACTERS = 4  # shorter ones cannot be masked without garbling what comes back
MASKED = "***"

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_PLACE = re.compile(r"\{secret:([^{}]*)\}")
_SHOWN_MAX = 20
_PATH_SAFE = ":@!$'()*,;"  # RFC 3986 lets them stand in path and query


class Secrets:
    """
    The secrets that one call uses.

    Args:
        directory: The site's.
        name: Of the call, for messages.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory / FOLDER
        self._name = name
        self._used: dict[str, str] = {}

    def fill(self, text: str) -> str:
        """
        Return *text* with each {secret:NAME} replaced.

        Raises:
            ToolFailedError: There is no such secret, or it is not what a secret should be.
        """
        return self._filled(text, lambda secret: secret)

    def fill_url(self, text: str) -> str:
        """
        Return *text*, part of a URL, with each {secret:NAME} replaced, quoted.
        """
        return self._filled(text, lambda secret: quote(secret, safe=_PATH_SAFE))

    def fill_all(self, value: Json) -> Json:
        """
        Return *value* with {secret:NAME} replaced in all texts in it but keys.
        """
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, dict):
            return {key: self.fill_all(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill_all(item) for item in value]
        return value

    def mask(self, text: str) -> str:
        """
        Return *text* without the secrets that were filled in, however they are written in it.
        """
        for secret in sorted(self._used.values(), key=len, reverse=True):
            for written in _writings(secret):
                text = text.replace(written, MASKED)
        return text

    def mask_bytes(self, data: bytes) -> bytes:
        """
        Return *data* without them, whatever charset it claims to be in.
        """
        for secret in sorted(self._used.values(), key=len, reverse=True):
            for written in _writings(secret):
                data = data.replace(written.encode(), MASKED.encode())
        return data

    def _filled(self, text: str, write: Callable[[str], str]) -> str:
        return _PLACE.sub(lambda found: write(self._read(found[1])), text)

    def _read(self, name: str) -> str:
        if name not in self._used:
            self._used[name] = self._checked(name, self._text(name))
        return self._used[name]

    def _text(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ToolFailedError(
                f"{self._name}: {{secret:{name[:64]}}} is no name of a secret.", "Names have letters, digits and . _ -"
            )
        try:
            fd = os.open(self._directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise self._fault(name, "is not a regular file")
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise ToolFailedError(
                f"{self._name}: there is no secret {name}{self._meant(name)}",
                f"It is a file {FOLDER}/{name} in the directory of the site, beside hooks/.",
            ) from error
        except OSError as error:
            raise self._fault(name, f"cannot be read: {error.strerror}") from error
        if len(data) > MAX_BYTES:
            raise self._fault(name, f"is longer than {MAX_BYTES} bytes")
        try:
            return data.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise self._fault(name, "is not UTF-8") from error

    def _checked(self, name: str, secret: str) -> str:
        if len(secret) < MIN_CHARACTERS:
            raise self._fault(name, f"has fewer than {MIN_CHARACTERS} characters")
        if not secret.isprintable():
            raise self._fault(name, "holds a line break or another control character")
        return secret

    def _fault(self, name: str, what: str) -> ToolFailedError:
        return ToolFailedError(f"{self._name}: the secret {name} {what}.", f"Look at {FOLDER}/{name}.")

    def _meant(self, name: str) -> str:
        try:
            known = [file for file in os.listdir(self._directory) if _NAME.fullmatch(file)]
        except OSError:
            known = []
        near = get_close_matches(name, known, n=1)
        return f"; did you mean {near[0]}?" if near else "."


def has_place(value: Json) -> bool:
    """
    Whether there is a {secret:NAME} in *value*, of any plain type.
    """
    return bool(_PLACE.search(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))


def _writings(secret: str) -> list[str]:
    """The ways in which another side may write *secret*, the longest first."""
    found = {
        secret,
        quote(secret, safe=""),
        quote(secret, safe=_PATH_SAFE),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
    }
    return sorted(found, key=len, reverse=True)
