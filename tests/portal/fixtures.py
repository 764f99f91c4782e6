"""
hookd's side of a test with a portal, without HTTP.
"""

from dataclasses import dataclass, field
from pathlib import Path

from hookd.jobs import Jobs
from hookd.portal.oauth import App
from hookd.portal.portals import Portals
from hookd.portal.renewal import Installed
from hookd.portal.rest import Rest
from hookd.portal.side import PortalSide
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
    jobs: Jobs
    side: PortalSide
    terms: Terms = field(default_factory=lambda: Terms(SITE, APP))

    @property
    def portals(self) -> Portals:
        return self.side.portals

    @property
    def trust(self) -> Trust:
        return self.side.trust

    @property
    def rest(self) -> Rest:
        return self.side.rest

    def installed(self, account: Account) -> Installed:
        return Installed(SITE, account.member_id, APP)

    def close(self) -> None:
        self.side.close()
        self.jobs.close()


def side(bitrix24: Bitrix24, state: Path) -> Side:
    """Return a process of hookd with its state in *state*."""
    jobs = Jobs(state)
    return Side(bitrix24, state, jobs, PortalSide(state, jobs, bitrix24.addresses))
