"""
The portals that installed hookd, in `hookd.sqlite`: one row for each site and portal, and the proofs it may show.

What is written here was confirmed (`trust`), and what is read here is believed. Tokens are sealed (`vault`). A portal
shows its application token with every event: the marks of the last few are kept, since an update of the app brings a
new one while events with the old one are still under way. Everything is kept for a site and never found by another.
"""

import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from hookd.errors import UnknownPortalError
from hookd.portal.vault import Vault
from hookd.storage import NAME, Database

PROVEN_MAX = 10_000
PROOFS_MAX = 4  # of one portal: the app's token, and those it had before

TABLES = MetaData()
_PORTALS = Table(
    "portals",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("member_id", Text, primary_key=True),
    Column("endpoint", Text, nullable=False),  # https://acme.bitrix24.com/rest/
    Column("server", Text, nullable=False),  # host of its authorization server
    Column("status", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # with blanks between
    Column("user_id", Integer),  # who installed the app: whose tokens these are
    Column("access_token", Text, nullable=False),  # sealed, like the next one
    Column("refresh_token", Text, nullable=False),
    Column("expires_at", Float, nullable=False),  # seconds since 1970, like the next two
    Column("installed_at", Float, nullable=False),
    Column("renewed_at", Float, nullable=False),
    Column("version", Text, nullable=False),  # of the app
    Column("trouble", Text, nullable=False),  # why its tokens are of no more use; "" otherwise
)
_PROOFS = Table(
    "portal_proofs",
    TABLES,
    Column("site", Text, primary_key=True),
    Column("member_id", Text, primary_key=True),
    Column("mark", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # app, webhook
    Column("at", Float, nullable=False),
)
APP, WEBHOOK = "app", "webhook"
# Asked with every event, and made once: to make an expression takes longer than to have it executed.
_MARKS = select(_PROOFS.c.mark).where(*(_PROOFS.c[name] == bindparam(name) for name in ("site", "member_id")))
_OWNER = select(_PROOFS.c.member_id).where(*(_PROOFS.c[name] == bindparam(name) for name in ("site", "mark", "kind")))


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    What calls of REST methods are made with.

    Attributes:
        access: Good for an hour.
        refresh: Renews it, for 180 days; a new one comes each time.
        expires_at: Seconds since 1970.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Portal:
    """
    One portal of a site.

    Attributes:
        endpoint: Where its REST methods are, as the authorization server says.
        server: Host of that server, one of `oauth.SERVERS`.
        user_id: Whose tokens are kept.
        installed_at: Seconds since 1970.
        version: Of the app that is installed; "" where it is not said.
        trouble: Why its tokens are of no more use; "" otherwise.
    """

    site: str
    member_id: str
    endpoint: str
    server: str
    status: str
    scopes: tuple[str, ...]
    user_id: int | None
    installed_at: float
    version: str = ""
    trouble: str = ""

    @property
    def host(self) -> str:
        """Where people see it: acme.bitrix24.com, with the port where it is an unusual one."""
        return self.endpoint.partition("://")[2].partition("/")[0]


class Portals:
    """
    All portals of an installation; its methods block, and any thread may call them.

    Args:
        state: The state directory. The database is opened at the first use: after the fork.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._vault = Vault(state)
        self._opened: Database | None = None
        self._opening = threading.Lock()
        self._proven: set[tuple[str, ...]] = set()  # what was found, as long as nobody has changed anything since
        self._proven_at = -1
        self._proving = threading.Lock()

    def find(self, site: str, member_id: str) -> Portal | None:
        """
        Return the portal of *site* with this id, if it is installed.

        Raises:
            StorageError: The database cannot be read; so do all methods.
        """
        with self._database().read() as connection:
            row = connection.execute(select(_PORTALS).filter_by(site=site, member_id=member_id)).one_or_none()
        return _portal(row) if row else None

    def all(self, site: str) -> list[Portal]:
        """
        Return the portals of *site*, the one that was installed first at first.
        """
        with self._database().read() as connection:
            rows = connection.execute(select(_PORTALS).filter_by(site=site).order_by(_PORTALS.c.installed_at))
            return [_portal(row) for row in rows]

    def tokens(self, site: str, member_id: str) -> Tokens:
        """
        Return the portal's tokens.

        Raises:
            UnknownPortalError: It is not installed.
            VaultError: They cannot be read: the key is another one.
        """
        columns = _PORTALS.c.access_token, _PORTALS.c.refresh_token, _PORTALS.c.expires_at
        with self._database().read() as connection:
            row = connection.execute(select(*columns).filter_by(site=site, member_id=member_id)).one_or_none()
        if row is None:
            raise UnknownPortalError(
                f"site {site}: the portal {member_id} has not installed hookd's app, or removed it"
            )
        access = self._vault.open(row.access_token, site, member_id, "access")
        return Tokens(access, self._vault.open(row.refresh_token, site, member_id, "refresh"), row.expires_at)

    def is_proof(self, site: str, member_id: str, token: str) -> bool:
        """
        Return whether *token* is one of the portal's application tokens; an empty one never is.

        Raises:
            VaultError: The key cannot be read.
        """
        if not token:
            return False
        mark = self._vault.mark(token, site, member_id)

        def has_mark() -> bool:
            with self._database().read() as connection:
                marks = list(connection.scalars(_MARKS, {"site": site, "member_id": member_id}))
            # Every mark is compared, so that the time tells nothing about which one came close.
            return sum([hmac.compare_digest(mark, known) for known in marks]) > 0

        return self._remembered((APP, site, member_id, mark), has_mark)

    def install(self, portal: Portal, tokens: Tokens, application_token: str) -> None:
        """
        Keep a *portal* that was confirmed; what was known of it before is replaced, but older proofs stay good.
        """
        site, member_id = portal.site, portal.member_id
        values = {
            **_changing(portal),
            **self._sealed(site, member_id, tokens),
            "user_id": portal.user_id,
            "installed_at": portal.installed_at,
            "version": portal.version,
        }
        mark = self._vault.mark(application_token, site, member_id) if application_token else ""
        with self._database().write() as connection:
            connection.execute(delete(_PORTALS).filter_by(site=site, member_id=member_id))
            connection.execute(insert(_PORTALS).values(site=site, member_id=member_id, **values))
            if mark:
                _add_proof(connection, site, member_id, mark)

    def add_webhook(self, site: str, member_id: str, token: str) -> bool:
        """
        Note that the outgoing webhook with *token*, which the site's settings have, is the portal's.

        Returns:
            False where it is another portal's.
        """
        mark = self._vault.mark(token, site, "", WEBHOOK)
        asked = {"site": site, "mark": mark, "kind": WEBHOOK}

        def is_owner() -> bool:
            with self._database().read() as connection:
                owner = connection.scalar(_OWNER, asked)
            if owner is None:
                with self._database().write() as connection:
                    owner = connection.scalar(_OWNER, asked)  # another process may have been faster
                    if owner is None:
                        connection.execute(insert(_PROOFS).values(member_id=member_id, at=time.time(), **asked))
            return owner in (None, member_id)

        return self._remembered((WEBHOOK, site, member_id, mark), is_owner)

    def renew(self, portal: Portal, tokens: Tokens) -> None:
        """
        Keep the portal's new *tokens*, and where the authorization server says that it is now.
        """
        values = {**_changing(portal), **self._sealed(portal.site, portal.member_id, tokens)}
        with self._database().write() as connection:
            row = {"site": portal.site, "member_id": portal.member_id}
            connection.execute(update(_PORTALS).filter_by(**row).values(**values))

    def move(self, portal: Portal) -> None:
        """
        Note where the portal is now, as an authorization server said.
        """
        with self._database().write() as connection:
            row = update(_PORTALS).filter_by(site=portal.site, member_id=portal.member_id)
            connection.execute(row.values(endpoint=portal.endpoint))

    def note_trouble(self, site: str, member_id: str, trouble: str) -> None:
        """
        Note why the portal's tokens are of no more use.
        """
        with self._database().write() as connection:
            row = update(_PORTALS).filter_by(site=site, member_id=member_id)
            connection.execute(row.values(trouble=trouble))

    def uninstall(self, site: str, member_id: str) -> None:
        """
        Forget the portal, its tokens and the app's proofs; outgoing webhooks are none of the app's.
        """
        with self._database().write() as connection:
            connection.execute(delete(_PORTALS).filter_by(site=site, member_id=member_id))
            connection.execute(delete(_PROOFS).filter_by(site=site, member_id=member_id, kind=APP))

    def close(self) -> None:
        """Close the database."""
        if self._opened:
            self._opened.close()

    def _remembered(self, proof: tuple[str, ...], look: Callable[[], bool]) -> bool:
        """What *look* finds of *proof*; what was found is remembered until anybody changes the database."""
        version = self._database().version()
        with self._proving:
            if self._proven_at != version:
                self._proven.clear()
                self._proven_at = version
            if proof in self._proven:
                return True
        is_found = look()
        with self._proving:
            if is_found and self._proven_at == version and len(self._proven) < PROVEN_MAX:
                self._proven.add(proof)
        return is_found

    def _sealed(self, site: str, member_id: str, tokens: Tokens) -> dict[str, str | float]:
        return {
            "access_token": self._vault.seal(tokens.access, site, member_id, "access"),
            "refresh_token": self._vault.seal(tokens.refresh, site, member_id, "refresh"),
            "expires_at": tokens.expires_at,
            "renewed_at": time.time(),
        }

    def _database(self) -> Database:
        with self._opening:
            if self._opened is None:
                self._opened = Database(self._state, NAME, TABLES)
            return self._opened


def _changing(portal: Portal) -> dict[str, str]:
    return {
        "endpoint": portal.endpoint,
        "server": portal.server,
        "status": portal.status,
        "scopes": " ".join(portal.scopes),
        "trouble": "",
    }


def _add_proof(connection: Connection, site: str, member_id: str, mark: str) -> None:
    """Add a proof of the app's, and forget the oldest where there are too many."""
    row = {"site": site, "member_id": member_id, "kind": APP}
    connection.execute(delete(_PROOFS).filter_by(**row, mark=mark))
    connection.execute(insert(_PROOFS).values(**row, mark=mark, at=time.time()))
    query = select(_PROOFS.c.mark).filter_by(**row).order_by(_PROOFS.c.at.desc(), _PROOFS.c.mark)
    for old in list(connection.scalars(query))[PROOFS_MAX:]:
        connection.execute(delete(_PROOFS).filter_by(**row, mark=old))


def _portal(row: Row[tuple[object, ...]]) -> Portal:
    found = row._mapping
    return Portal(
        site=found["site"],
        member_id=found["member_id"],
        endpoint=found["endpoint"],
        server=found["server"],
        status=found["status"],
        scopes=tuple(found["scopes"].split()),
        user_id=found["user_id"],
        installed_at=found["installed_at"],
        version=found["version"],
        trouble=found["trouble"],
    )
