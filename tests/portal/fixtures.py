"""
hookd's side of a test with a portal: everything of `hookd.portal`, put together as a service does it.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from hookd.portal.http import Client
from hookd.portal.limits import Limits
from hookd.portal.oauth import App, OAuth
from hookd.portal.portals import Portals
from hookd.portal.renewal import Installed, Renewal
from hookd.portal.rest import Rest
from hookd.portal.trust import Terms, Trust
from tests.portal.server import APP_ID, APP_SECRET, Account, Bitrix24

SITE = "default"
APP = App(APP_ID, APP_SECRET)


@dataclass
class Side:
    """
    One process of hookd, as far as portals go.
    """

    bitrix24: Bitrix24
    state: Path
    portals: Portals
    trust: Trust
    rest: Rest
    limits: Limits
    client: Client
    terms: Terms = field(default_factory=lambda: Terms(SITE, APP))

    def installed(self, account: Account) -> Installed:
        return Installed(SITE, account.member_id, APP)

    def close(self) -> None:
        self.portals.close()
        self.client.close()


def side(bitrix24: Bitrix24, state: Path) -> Side:
    """Return a process of hookd with its state in *state*."""
    client = Client()
    portals = Portals(state)
    oauth = OAuth(client, bitrix24.addresses)
    limits = Limits(state, time.time)
    rest = Rest(portals, Renewal(state, portals, oauth), client, limits)
    return Side(bitrix24, state, portals, Trust(portals, oauth), rest, limits, client)
