"""
Bitrix24's two authorization servers: who a token belongs to, and a new one for an old one.

They are the only addresses that hookd asks before a sender is believed, and they are fixed here: what a request says of
its server only chooses between them. The secret of the app goes nowhere else. Tests hand over other addresses in code;
no setting, header or environment does.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from hookd.documents import Json
from hookd.errors import PortalError
from hookd.portal.http import Client
from hookd.portal.patience import Patience
from hookd.portal.portals import Portal, Tokens

# Portals of Russia, Armenia, Azerbaijan, Georgia, Kazakhstan, Kyrgyzstan, Uzbekistan and Belarus have the second one.
SERVERS = ("oauth.bitrix.info", "oauth.bitrix24.tech")
ADDRESSES: Mapping[str, str] = MappingProxyType({host: f"https://{host}" for host in SERVERS})
TOKEN_S = 3600  # where the server does not say

_SEPARATORS = re.compile(r"[\s,]+")
_GONE = frozenset({"invalid_grant", "invalid_client", "payment_required", "application_uninstalled"})


@dataclass(frozen=True, slots=True)
class App:
    """
    What hookd is to Bitrix24: the app that a site's portals install.

    Attributes:
        id: client_id; "" where the site has none.
        secret: client_secret.
    """

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Owner:
    """
    Whom an access token belongs to, as the authorization server says.

    Attributes:
        app_id: The app it was issued to.
        endpoint: Where the portal's REST methods are.
        user_id: Whose token it is.
        server: Host of the server that says so.
    """

    app_id: str
    member_id: str
    endpoint: str
    status: str
    scopes: tuple[str, ...]
    user_id: int | None
    version: str
    server: str


class OAuth:
    """
    The authorization servers, as one process asks them.

    Args:
        addresses: Host → where it is reached; tests have their own.
    """

    def __init__(self, client: Client, addresses: Mapping[str, str] = ADDRESSES) -> None:
        self._client = client
        self._addresses = addresses

    def owner(self, access_token: str, server_endpoint: str, patience: Patience) -> Owner:
        """
        Return whom *access_token* belongs to.

        Args:
            server_endpoint: What the sender says of its server: it chooses one; where it names none, both are asked.

        Raises:
            PortalError: The server does not know the token, or does not answer.
        """
        named = urlsplit(server_endpoint).hostname
        servers = (named,) if named and named in self._addresses else tuple(self._addresses)
        for server in servers[:-1]:
            try:
                return self._owner(access_token, server, patience)
            except PortalError as error:
                if error.reason in ("slow", "aborted"):
                    raise
        return self._owner(access_token, servers[-1], patience)

    def renew(self, app: App, portal: Portal, tokens: Tokens, patience: Patience) -> tuple[Portal, Tokens]:
        """
        Return new tokens for old ones, and the portal as the server describes it now.

        Raises:
            PortalError: The server refuses, or does not answer.
        """
        parameters = {
            "grant_type": "refresh_token",
            "client_id": app.id,
            "client_secret": app.secret,
            "refresh_token": tokens.refresh,
        }
        found = self._ask(portal.server, "/oauth/token/", parameters, patience)
        if found.get("member_id") != portal.member_id or not _is_text(found, "access_token", "refresh_token"):
            raise _odd(portal.server, "new tokens")
        seconds = found.get("expires_in")
        return (
            Portal(
                site=portal.site,
                member_id=portal.member_id,
                endpoint=_endpoint(found.get("client_endpoint")) or portal.endpoint,
                server=portal.server,
                status=str(found.get("status") or portal.status),
                scopes=_scopes(found.get("scope")) or portal.scopes,
                user_id=portal.user_id,
                installed_at=portal.installed_at,
                version=portal.version,
            ),
            Tokens(
                found["access_token"],
                found["refresh_token"],
                time.time() + (seconds if isinstance(seconds, int) and seconds > 0 else TOKEN_S),
            ),
        )

    def is_administrator(self, owner: Owner, access_token: str, patience: Patience) -> bool:
        """
        Return whether the owner of *access_token* is an administrator of the portal, which is asked itself.

        Raises:
            PortalError: The portal refuses, or does not answer.
        """
        answer = self._client.post(f"{owner.endpoint}profile", {"auth": access_token}, patience)
        found = answer.document.get("result") if isinstance(answer.document, dict) else None
        if not isinstance(found, dict):
            raise _odd(urlsplit(owner.endpoint).hostname or "", "the user of a token")
        return found.get("ADMIN") is True

    def _owner(self, access_token: str, server: str, patience: Patience) -> Owner:
        found = self._ask(server, "/rest/app.info/", {"auth": access_token}, patience).get("result")
        install = found.get("install") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(install, dict):
            raise _odd(server, "the owner of a token")
        endpoint = _endpoint(install.get("client_endpoint"))
        if not endpoint or not _is_text(found, "client_id") or not _is_text(install, "member_id"):
            raise _odd(server, "the owner of a token")
        user = found.get("user_id")
        return Owner(
            app_id=found["client_id"],
            member_id=install["member_id"],
            endpoint=endpoint,
            status=str(install.get("status") or ""),
            scopes=_scopes(install.get("scope") or found.get("scope")),
            user_id=int(user) if isinstance(user, int) or (isinstance(user, str) and user.isdecimal()) else None,
            version=str(install.get("version") or ""),
            server=server,
        )

    def _ask(self, server: str, path: str, parameters: Mapping[str, str], patience: Patience) -> dict[str, Json]:
        answer = self._client.get(self._addresses[server] + path, parameters, patience)
        found = answer.document
        if not isinstance(found, dict):
            raise _odd(server, f"JSON (status {answer.status})")
        if found.get("error"):
            reason = str(found["error"])[:60]
            raise PortalError(f"{server}: refuses: {reason}.", reason, _remedy(reason))
        return found


def is_final(error: PortalError) -> bool:
    """
    Whether the authorization server will refuse these tokens for good, until the app is installed anew.
    """
    return error.reason.lower() in _GONE


def _remedy(reason: str) -> str:
    if reason.lower() == "invalid_client":
        return "Compare bitrix_app_id and bitrix_app_secret with the app's page in the portal."
    if reason.lower() == "invalid_grant":
        return "The portal removed the app, or did not use it for 180 days."
    if reason.lower() == "payment_required":
        return "The portal's subscription or the app's trial has ended."
    return ""


def _odd(server: str, what: str) -> PortalError:
    return PortalError(f"{server}: answers something else than {what}.", "odd_answer")


def _endpoint(value: Json) -> str:
    """*value* if it is where REST methods can be; "" otherwise."""
    if not isinstance(value, str) or len(value) > 1024:
        return ""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.query or parts.fragment:
        return ""
    where = f"{host}:{port}" if port else host
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}/"


def _scopes(value: Json) -> tuple[str, ...]:
    return tuple(scope for scope in _SEPARATORS.split(value) if scope) if isinstance(value, str) else ()


def _is_text(found: Mapping[str, Json], *keys: str) -> bool:
    return all(isinstance(found.get(key), str) and found[key] for key in keys)
