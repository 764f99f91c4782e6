"""
The key that keeps portals' tokens unreadable in copies of the database.

Backups and databases sent to support travel further than the state directory does; a token in one of them would be the
portal's data. So tokens are encrypted with a key in a file of its own, made at the first use and readable for nobody
else. It does not protect from whoever reads the state directory itself: hookd has to use the tokens unattended.

AES-256-GCM rather than Fernet, since it takes what a text belongs to (site, portal, column) into its seal: a row that
somebody copied to another site does not open there. What need not be read again, an application token, is kept as an
HMAC, by another key made from the same file.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
import threading
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hookd import key_files
from hookd.errors import VaultError

NAME = "portal.key"
KEY_BYTES = 32
NONCE_BYTES = 12  # at random: good for 2**32 texts of one key, and a portal's tokens change once an hour


class Vault:
    """
    Seals texts with the key in the *state* directory; the key is read, or made, at the first use.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / NAME
        self._key = b""
        self._reading = threading.Lock()

    def seal(self, text: str, *about: str) -> str:
        """
        Return *text* so that only `open` reads it, and only with the same *about*.

        Raises:
            VaultError: The key cannot be read or made.
            StorageError: There is no room to make it.
        """
        if not text:
            return ""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + AESGCM(self._derived(b"seal")).encrypt(nonce, text.encode(), _joined(about))
        return base64.b64encode(sealed).decode()

    def open(self, sealed: str, *about: str) -> str:
        """
        Return what was sealed; "" where nothing was.

        Raises:
            VaultError: It was sealed with another key, or is about something else.
        """
        if not sealed:
            return ""
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = AESGCM(self._derived(b"seal")).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _joined(about))
        except (InvalidTag, ValueError, binascii.Error) as error:
            raise VaultError(
                f"{self.path}: is not the key that the tokens of {' '.join(about[:2])} were kept with. Put back the "
                "file, or open the app in the portal as its administrator: it is then installed anew."
            ) from error
        return plain.decode()

    def mark(self, text: str, *about: str) -> str:
        """
        Return what *text* can be known by again, though not read.

        Raises:
            VaultError: The key cannot be read or made.
            StorageError: There is no room to make it.
        """
        return hmac.new(self._derived(b"mark"), _joined((*about, text)), hashlib.sha256).hexdigest()

    def _derived(self, purpose: bytes) -> bytes:
        with self._reading:
            if not self._key:
                self._key = _read_or_make(self.path)
        return hashlib.blake2b(purpose, key=self._key, digest_size=KEY_BYTES).digest()


def _joined(parts: tuple[str, ...]) -> bytes:
    """The *parts* so that no two lists of them look alike."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def _read_or_make(path: Path) -> bytes:
    try:
        return _checked(path, key_files.read_or_make(path, _new_key))
    except OSError as error:
        raise VaultError(
            f"{path}: cannot be read or made: {error.strerror}. Let the user that hookd runs as read and write it."
        ) from error


def _new_key() -> bytes:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n"


def _checked(path: Path, text: bytes) -> bytes:
    with contextlib.suppress(binascii.Error):
        key = base64.b64decode(text.strip(), validate=True)
        if len(key) == KEY_BYTES:
            return key
    raise VaultError(f"{path}: is damaged: {KEY_BYTES} bytes in base64 are expected. Put back a copy of it.")
