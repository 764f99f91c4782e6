"""
Everything of this package, put together: what one process has of the Bitrix24 side.
"""

from collections.abc import Mapping
from pathlib import Path

from hookd.jobs import Jobs
from hookd.portal.binding import Binder
from hookd.portal.events import Events, into_inbox
from hookd.portal.http import Client
from hookd.portal.limits import Limits
from hookd.portal.oauth import ADDRESSES, App, OAuth
from hookd.portal.portals import Portal, Portals
from hookd.portal.renewal import Installed, Renewal
from hookd.portal.rest import Rest, Webhook
from hookd.portal.tickets import Tickets
from hookd.portal.trust import Trust
from hookd.portal.vault import Vault
from hookd.settings import SiteSettings


class PortalSide:
    """
    The portals of an installation, whom to believe, the way in for events, and calls back.

    Args:
        state: The state directory; nothing in it is opened before it is needed.
        authorities: Where Bitrix24's authorization servers are; only tests have their own.
    """

    def __init__(self, state: Path, jobs: Jobs, authorities: Mapping[str, str] = ADDRESSES) -> None:
        self._client = Client()
        oauth = OAuth(self._client, authorities)
        self.portals = Portals(state)
        self.tickets = Tickets(Vault(state))
        self.rest = Rest(self.portals, Renewal(state, self.portals, oauth), self._client, Limits(state))
        self.trust = Trust(self.portals, oauth, self.rest)
        self.events = Events(self.trust, into_inbox(jobs))
        self.binder = Binder(self.rest)

    def account(self, site: str, settings: SiteSettings, portal: str = "") -> Webhook | Installed:
        """
        Return as whom the hooks of *site* ask: by the webhook in its *settings*, else as its one portal's app.

        Args:
            portal: Id of the portal whose event is answered. If it has installed the app, it is asked as that app.

        Raises:
            UnknownPortalError: There is no webhook, and no portal or more than one.
        """
        if portal and settings.bitrix_app_id and self.portals.find(site, portal):
            return Installed(site, portal, App(settings.bitrix_app_id, settings.bitrix_app_secret))
        if settings.bitrix_webhook:
            return Webhook(settings.bitrix_webhook)
        return self.rest.only(site, App(settings.bitrix_app_id, settings.bitrix_app_secret))

    def installed(self, portal: Portal, settings: SiteSettings) -> Installed:
        """
        Return the app that *portal*, one of a site with these *settings*, has installed.
        """
        return Installed(portal.site, portal.member_id, App(settings.bitrix_app_id, settings.bitrix_app_secret))

    def close(self) -> None:
        """Close the database and all connections."""
        self.portals.close()
        self._client.close()
