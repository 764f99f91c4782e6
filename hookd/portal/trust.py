"""
Whom to believe: whether a sender is the portal that it names.

Bitrix24 signs nothing. What a portal shows is the application token, one value that it sends with every event and
placement. hookd learns it when the app is installed, and that moment is confirmed: the access token in the request is
shown to one of the two authorization servers, which say whose it is, for which app, and where the portal is. Nothing is
kept before that, nothing of what the request itself says of addresses is ever used, and a portal that is known is not
overwritten by less. What an application token is compared with is all that hookd has of it: its mark (`vault`).

    event        an application token that is known, or that of an outgoing webhook in the site's settings;
                 ONAPPINSTALL and ONAPPUPDATE may bring a new one, if their access token is confirmed;
                 ONAPPUNINSTALL counts only where the app's own tokens do not work any more
    placement    an application token that is known, or, from older portals, an access token that is confirmed
    install      an access token that is confirmed
"""

import dataclasses
import hashlib
import hmac
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from hookd.errors import BusyError, PortalError, UntrustedError
from hookd.portal.envelopes import Claim, Event, Placement
from hookd.portal.oauth import App, OAuth, Owner
from hookd.portal.patience import Deadline
from hookd.portal.portals import Portal, Portals, Tokens
from hookd.portal.renewal import Installed
from hookd.portal.rest import Rest

INSTALL, UPDATE, UNINSTALL = "ONAPPINSTALL", "ONAPPUPDATE", "ONAPPUNINSTALL"
CONFIRM_S = 5.0  # to ask an authorization server, in a thread that others wait for
CONFIRMING_MAX = 2  # at once: strangers can have it done, and may not take all threads for it
REMEMBERED_S = 600.0  # what was confirmed: every page of an older portal, or of one with two hosts, would ask again
REMEMBERED_MAX = 1000
WORKS_S = 60.0  # an app that works is not asked about again: each event that says otherwise would cost a request
# What a portal, or its authorization server, says to the tokens of an app that was removed; `reinstall` is hookd's own
# word where it said so before. A local app takes its client_id along, so the reference has invalid_client for it, too.
_REMOVED = frozenset(
    {"invalid_token", "no_auth_found", "invalid_grant", "invalid_client", "application_uninstalled", "reinstall"}
)

log = structlog.get_logger("hookd.portal")


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What a site's settings say of whom to believe.

    Attributes:
        site: Its name.
        app: The app that its portals install.
        event_tokens: Application tokens of the outgoing webhooks that may post events.
    """

    site: str
    app: App
    event_tokens: Sequence[str] = field(default=(), repr=False)


class Trust:
    """
    Decides it for one process; its methods block, and any thread may call them.
    """

    def __init__(self, portals: Portals, oauth: OAuth, rest: Rest) -> None:
        self._portals = portals
        self._oauth = oauth
        self._rest = rest
        self._confirming = threading.Semaphore(CONFIRMING_MAX)
        self._remembered: dict[bytes, float] = {}  # digest of a user's token, or a host → until when
        self._remembering = threading.Lock()

    def check_event(self, terms: Terms, event: Event) -> None:
        """
        Check that *event* is from the portal that it names; an app's own events take effect.

        Raises:
            UntrustedError: It does not prove to be; nothing was kept.
            BusyError: Too many such proofs are being checked.
        """
        claim = event.claim
        if self._is_webhook(terms, claim):
            return
        if self._portals.is_proof(terms.site, claim.member_id, claim.application_token):
            if event.code == UNINSTALL:
                self._uninstall(terms, claim)
            elif event.code in (INSTALL, UPDATE) and claim.access_token and claim.refresh_token:
                self._reinstall(terms, claim)
        elif event.code in (INSTALL, UPDATE) and claim.access_token and claim.application_token:
            self.install(terms, claim)
        else:
            raise _untrusted(terms.site, "auth[application_token]")

    def check_placement(self, terms: Terms, placement: Placement) -> Portal:
        """
        Return the portal that *placement* is from.

        Raises:
            UntrustedError: It does not prove to be, or the app is not installed there.
            BusyError: Too many such proofs are being checked.
        """
        claim = placement.claim
        portal = self._portals.find(terms.site, claim.member_id)
        if portal is None:
            raise _untrusted(terms.site, "APPLICATION_TOKEN")
        if claim.application_token:
            if not self._portals.is_proof(terms.site, claim.member_id, claim.application_token):
                raise _untrusted(terms.site, "APPLICATION_TOKEN")
        elif not claim.access_token:
            raise _untrusted(terms.site, "AUTH_ID")
        elif not self._is_remembered(key := _digest(terms, claim, claim.access_token)):
            portal = self._found_at(portal, self._confirm(terms, claim))
            self._remember(key, claim.expires_in_s)
        return self._followed(terms, claim, portal)

    def install(self, terms: Terms, claim: Claim) -> Portal:
        """
        Keep the portal of *claim*, its tokens and its proof, if an authorization server confirms them.

        Raises:
            UntrustedError: It does not; nothing was kept, and what was known stays.
            BusyError: Too many such proofs are being checked.
        """
        if not terms.app.id:
            raise UntrustedError(
                f"site {terms.site}: no portal can install hookd here: bitrix_app_id and bitrix_app_secret are not set"
            )
        if not claim.access_token or not claim.refresh_token:
            raise UntrustedError(f"site {terms.site}: there are no tokens that could be confirmed")
        owner = self._confirm(terms, claim)
        self._check_right(terms, claim, owner)
        portal = Portal(
            site=terms.site,
            member_id=owner.member_id,
            endpoint=owner.endpoint,
            server=owner.server,
            status=owner.status or claim.status,
            scopes=owner.scopes,
            user_id=owner.user_id,
            installed_at=time.time(),
            version=owner.version,
        )
        tokens = Tokens(claim.access_token, claim.refresh_token, time.time() + claim.expires_in_s)
        self._portals.install(portal, tokens, claim.application_token)
        log.info("portal_installed", site=terms.site, portal=portal.member_id, host=portal.host)
        return portal

    def _followed(self, terms: Terms, claim: Claim, portal: Portal) -> Portal:
        """
        Return *portal* as it is now, where it says to have another host than it had.

        A page may be framed by the host that is kept, and nobody else: after a renaming it would stay blank. The new
        host is asked for where all others come from.
        """
        key = _digest(terms, claim, claim.domain)
        if claim.domain in ("", portal.host) or not claim.access_token or self._is_remembered(key):
            return portal
        try:
            portal = self._found_at(portal, self._confirm(terms, claim))
            self._remember(key)
        except (UntrustedError, BusyError) as error:
            log.warning("portal_not_followed", site=terms.site, portal=portal.member_id, error=str(error))
        return portal

    def _found_at(self, portal: Portal, owner: Owner) -> Portal:
        if owner.endpoint == portal.endpoint:
            return portal
        moved = dataclasses.replace(portal, endpoint=owner.endpoint)
        self._portals.move(moved)
        log.info("portal_moved", site=portal.site, portal=portal.member_id, host=moved.host)
        return moved

    def _reinstall(self, terms: Terms, claim: Claim) -> None:
        """Keep what a proven portal says anew, if that is confirmed; if it is not, its event counts all the same."""
        try:
            self.install(terms, claim)
        except (UntrustedError, BusyError) as error:
            log.warning("portal_not_renewed", site=terms.site, portal=claim.member_id, error=str(error))

    def _uninstall(self, terms: Terms, claim: Claim) -> None:
        """
        Forget a proven portal that says that it removed the app, if its tokens do not work any more.

        The application token is all that the vendor sends along here, but everybody who opens a page of the app has
        it, and the queue keeps no order: where the app was removed and installed again, this may come last. What is
        forgotten is worth nothing then, so nothing is lost; where nobody can be asked, it is kept until it fails.
        """
        key = _digest(terms, claim, UNINSTALL)
        refusal = None if self._is_remembered(key) else self._refusal(terms, claim)
        if refusal is None:
            self._remember(key, WORKS_S)
            log.warning("portal_not_uninstalled", site=terms.site, portal=claim.member_id, error="the app works there")
            raise UntrustedError(
                f"site {terms.site}: the portal still takes the app's token, so it did not remove the app; "
                "nothing was forgotten"
            )
        if refusal.reason.lower() not in _REMOVED:
            log.warning("portal_kept", site=terms.site, portal=claim.member_id, error=str(refusal))
            return
        self._portals.uninstall(terms.site, claim.member_id)
        log.info("portal_uninstalled", site=terms.site, portal=claim.member_id)

    def _refusal(self, terms: Terms, claim: Claim) -> PortalError | None:
        """Ask the portal as the app, and return what speaks against it; None where it answers."""
        if not self._confirming.acquire(blocking=False):
            raise BusyError("too many portals are being confirmed at this moment; try again in a few seconds")
        try:
            self._rest.call(Installed(terms.site, claim.member_id, terms.app), "app.info", {}, Deadline(CONFIRM_S))
        except PortalError as error:
            return error
        finally:
            self._confirming.release()
        return None

    def _check_right(self, terms: Terms, claim: Claim, owner: Owner) -> None:
        """
        Check that a known portal's tokens are replaced by its administrators alone, or whoever installed the app.

        Every employee who opens a page of the app holds a token that an authorization server confirms.
        """
        known = self._portals.find(terms.site, owner.member_id)
        if known is None or (owner.user_id is not None and owner.user_id == known.user_id):
            return
        try:
            is_administrator = self._oauth.is_administrator(owner, claim.access_token, Deadline(CONFIRM_S))
        except PortalError as error:
            raise UntrustedError(f"site {terms.site}: whose token it is was not confirmed: {error}") from error
        if not is_administrator:
            log.warning("portal_not_confirmed", site=terms.site, portal=owner.member_id, error="no administrator")
            raise UntrustedError(f"site {terms.site}: only an administrator of the portal can install the app anew")

    def _is_webhook(self, terms: Terms, claim: Claim) -> bool:
        shown = claim.application_token.encode()
        # Every token is compared, so that the time tells nothing about which one came close.
        matches = sum([hmac.compare_digest(shown, token.encode()) for token in terms.event_tokens])
        return bool(shown and matches) and self._portals.add_webhook(
            terms.site, claim.member_id, claim.application_token
        )

    def _confirm(self, terms: Terms, claim: Claim) -> Owner:
        if not self._confirming.acquire(blocking=False):
            raise BusyError("too many portals are being confirmed at this moment; try again in a few seconds")
        try:
            owner = self._oauth.owner(claim.access_token, claim.server_endpoint, Deadline(CONFIRM_S))
        except PortalError as error:
            log.warning("portal_not_confirmed", site=terms.site, portal=claim.member_id, error=str(error))
            raise UntrustedError(f"site {terms.site}: the access token was not confirmed: {error}") from error
        finally:
            self._confirming.release()
        if owner.app_id != terms.app.id or owner.member_id != claim.member_id:
            what = "portal" if owner.app_id == terms.app.id else "app"
            log.warning("portal_not_confirmed", site=terms.site, portal=claim.member_id, error=f"of another {what}")
            raise UntrustedError(f"site {terms.site}: the access token belongs to another {what}")
        return owner

    def _is_remembered(self, key: bytes) -> bool:
        with self._remembering:
            return self._remembered.get(key, 0.0) > time.monotonic()

    def _remember(self, key: bytes, most_s: float = REMEMBERED_S) -> None:
        now = time.monotonic()
        with self._remembering:
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered = {key: until for key, until in self._remembered.items() if until > now}
            if len(self._remembered) < REMEMBERED_MAX:
                self._remembered[key] = now + min(REMEMBERED_S, most_s)


def _digest(terms: Terms, claim: Claim, what: str) -> bytes:
    return hashlib.sha256(f"{terms.site} {claim.member_id} {what}".encode()).digest()


def _untrusted(site: str, where: str) -> UntrustedError:
    """One sentence for an unknown portal, a missing token and a wrong one: it tells nobody which portals there are."""
    return UntrustedError(
        f"site {site}: {where} is none that this portal has. Install the app there anew, or, for an outgoing webhook, "
        "put its token into bitrix_event_tokens."
    )
