"""
What a page of a portal shows when it is asked for again: the token that hookd put into its forms.

An iframe gets no cookies back, and a form's post carries nothing of the portal's. So each page gets a ticket: the
fields that its portal opened it with, sealed with the installation's key. What comes back is believed as the portal
was, for as long as the employee's own token is good, and only by the site that issued it. Nobody else can read it: the
employee's token is in it, with which the page's hook asks the portal.
"""

import base64
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from hookd import documents
from hookd.documents import Json
from hookd.errors import ExpiredPageError, NotJsonError, UntrustedError, VaultError
from hookd.portal.vault import Vault

GOOD_S = 3600.0  # as long as an employee's token at most
TICKET_BYTES = 262_144  # of the fields in a ticket: what a portal's form may have
# Not needed again: the page was believed, and hookd never acts for long in an employee's name.
_LEFT_OUT = frozenset({"APPLICATION_TOKEN", "REFRESH_ID"})


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    A page that is asked for again.

    Attributes:
        fields: What it was opened with, as the portal sent it.
        until: Seconds since 1970.
    """

    fields: Mapping[str, Json] = field(repr=False)
    until: float


class Tickets:
    """
    Issues tickets, and reads them again in whichever process they come to.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def issue(self, site: str, fields: Mapping[str, Json], until: float) -> str:
        """
        Return a ticket of *site* for the page that was opened with *fields*.

        Raises:
            VaultError: The key cannot be read.
        """
        kept = {name: value for name, value in fields.items() if name not in _LEFT_OUT}
        text = documents.dump({"fields": kept, "until": until})
        return self._vault.seal(base64.b64encode(zlib.compress(text)).decode(), site, "page")

    def open(self, site: str, token: str) -> Ticket:
        """
        Return the ticket that *token* is.

        Raises:
            ExpiredPageError: It was issued too long ago.
            UntrustedError: It was issued by nobody here, or for another site.
        """
        try:
            text = base64.b64decode(self._vault.open(token, site, "page"))
            unpacking = zlib.decompressobj()
            found = documents.parse(unpacking.decompress(text, 2 * TICKET_BYTES))
            ticket = Ticket(found["fields"], found["until"])
        except (VaultError, ValueError, zlib.error, NotJsonError, KeyError, TypeError) as error:
            raise UntrustedError(f"site {site}: the page's token is none of this installation's") from error
        if ticket.until < time.time():
            raise ExpiredPageError(f"site {site}: the page was open for too long")
        return ticket


def good_until(expires_in_s: float) -> float:
    """
    Return until when a page is good that was opened now, with an employee's token that is good for *expires_in_s*.
    """
    return time.time() + min(GOOD_S, max(0.0, expires_in_s))
