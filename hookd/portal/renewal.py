"""
New tokens for old ones, one process at a time.

A refresh token is good once: of two processes that use the same one, the second may be left without any. So whoever
needs a new token locks the portal's lock file, looks whether somebody was faster, and only then asks. The lock goes
with the process that holds it, and the new tokens are on the disk before it goes.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from hookd.errors import PortalError, UnknownPortalError
from hookd.portal.oauth import App, OAuth, is_final
from hookd.portal.patience import Patience
from hookd.portal.portals import Portal, Portals, Tokens
from hookd.storage import DIRECTORY_MODE, FILE_MODE

LOCKS = "portal-locks"
STEP_S = 0.05  # between two tries of the lock

log = structlog.get_logger("hookd.portal")


@dataclass(frozen=True, slots=True)
class Installed:
    """
    The app as a portal of *site* has installed it, with the tokens of whoever did.
    """

    site: str
    member_id: str
    app: App


class Renewal:
    """
    Renews the tokens of portals; any thread may call it.

    Args:
        state: The state directory, for the locks.
    """

    def __init__(self, state: Path, portals: Portals, oauth: OAuth) -> None:
        self._locks = state / LOCKS
        self._portals = portals
        self._oauth = oauth

    def newer(self, who: Installed, failed: str, patience: Patience) -> tuple[Portal, Tokens]:
        """
        Return tokens that are newer than the access token that *failed*, and the portal as it is described now.

        Raises:
            PortalError: The authorization server refuses, or there was no time to ask it.
        """
        with self._locked(who, patience):
            portal = self._portals.find(who.site, who.member_id)
            if portal is None:
                raise UnknownPortalError(f"site {who.site}: the portal has removed hookd's app.")
            tokens = self._portals.tokens(who.site, who.member_id)
            if tokens.access != failed:
                return portal, tokens
            return self._renew(who, portal, tokens, patience)

    def _renew(self, who: Installed, portal: Portal, tokens: Tokens, patience: Patience) -> tuple[Portal, Tokens]:
        try:
            portal, tokens = self._oauth.renew(who.app, portal, tokens, patience)
        except PortalError as error:
            if is_final(error):
                self._portals.note_trouble(who.site, who.member_id, str(error))
                log.error("portal_tokens_lost", site=who.site, portal=who.member_id, error=str(error))
            raise
        self._portals.renew(portal, tokens)
        return portal, tokens

    @contextlib.contextmanager
    def _locked(self, who: Installed, patience: Patience) -> Iterator[None]:
        """Hold the portal's lock file, which no other thread or process then does."""
        name = hashlib.sha256(f"{who.site} {who.member_id}".encode()).hexdigest()[:32]
        self._locks.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        descriptor = os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            while not _lock(descriptor):
                if patience.is_aborted or not patience.left_s:
                    raise PortalError(f"portal {who.member_id}: its tokens are still being renewed.", "slow")
                time.sleep(STEP_S)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
