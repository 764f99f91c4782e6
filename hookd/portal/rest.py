"""
Calls of a portal's REST methods: as the app that it installed, as the employee who looks at a page, or by a webhook.

The vendor's own b24pysdk (1.3.2) was tried for this and is not used: it bounds no call as a whole and cannot be stopped
in one, waits between retries whatever the caller's deadline, opens a connection for each call, reads answers of any
length, knows one of the two authorization servers, and leaves the renewal of a token to each process on its own, while
two at once lose the refresh token. What is left of it would be the names of methods. So: `requests`, by way of `http`.

    limits     counted for all processes together, waited for within the caller's patience
    tokens     renewed when the portal calls them expired, never by the clock, one process at a time (a lock file)
    secrets    whatever a portal says, its answers come back without the token or the secret that it was asked with
    addresses  a portal that was renamed answers with a redirect: its new address comes from the authorization server,
               with new tokens, and the request is sent again whole; only a webhook, which has no such server, follows
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from hookd import documents
from hookd.documents import Json
from hookd.errors import PortalError, UnknownPortalError
from hookd.portal.forms import query
from hookd.portal.http import MAX_ANSWER_BYTES, Answer, Client
from hookd.portal.limits import Limits
from hookd.portal.oauth import App
from hookd.portal.patience import Patience
from hookd.portal.portals import Portals
from hookd.portal.renewal import Installed, Renewal

BATCH_MAX = 50  # commands in one batch
LIST_MAX = 5000
MASKED = b"***"
MASKED_MIN = 8  # characters of a secret; a shorter one would garble what has nothing to do with it
TRIES = 4  # of one call: a renewal, a new address, a refusal for the limit

_METHOD = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*", re.IGNORECASE)
_COMMAND = re.compile(r"[A-Za-z0-9_]{1,64}")
_EXPIRED = frozenset({"expired_token", "invalid_token"})

log = structlog.get_logger("hookd.portal")


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    An incoming webhook, which is an address with a secret in it.

    Attributes:
        url: https://acme.bitrix24.com/rest/1/SECRET/
    """

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Employee:
    """
    Somebody who looks at a page of the app, with the token that came along.
    """

    installed: Installed
    access_token: str = field(repr=False)


Who = Webhook | Installed | Employee


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What a method answered.

    Attributes:
        total: How many items there are, of a list method; None of others.
        next: Where the next page begins; None where there is none.
    """

    result: Json
    total: int | None = None
    next: int | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    """How a method is asked: where, and with which token (none for a webhook)."""

    endpoint: str = field(repr=False)
    host: str
    access_token: str = field(default="", repr=False)

    @property
    def secret(self) -> str:
        """What nobody else may see: the token, or the part of a webhook's address that stands for one."""
        return self.access_token or self.endpoint.rstrip("/").rpartition("/")[2]


class Rest:
    """
    The portals' methods, as one process calls them; its methods block, and any thread may call them.
    """

    def __init__(self, portals: Portals, renewal: Renewal, client: Client, limits: Limits) -> None:
        self._portals = portals
        self._renewal = renewal
        self._client = client
        self._limits = limits

    def only(self, site: str, app: App) -> Installed:
        """
        Return the one portal of *site*.

        Raises:
            UnknownPortalError: There is none, or more than one.
        """
        found = self._portals.all(site)
        if len(found) == 1:
            return Installed(site, found[0].member_id, app)
        if not found:
            raise UnknownPortalError(
                f"site {site}: no portal has installed hookd's app.",
                "Install it, or set bitrix_webhook_file to the file with the address of an incoming webhook.",
            )
        hosts = ", ".join(portal.host for portal in found[:20])
        raise UnknownPortalError(
            f"site {site}: there are several portals, and it is not said which: {hosts}.",
            "Give each portal a site of its own, or set bitrix_webhook_file.",
        )

    def call(
        self,
        who: Who,
        method: str,
        parameters: Mapping[str, Json],
        patience: Patience,
        *,
        allowed: Sequence[str] = ("*",),
    ) -> Reply:
        """
        Call *method*.

        Args:
            allowed: The methods that may be called: names, or beginnings with a `*` after them.

        Raises:
            PortalError: It may not be called, the portal refuses, or there was no answer in time.
        """
        check_method(method, allowed)
        return self._ask(who, method, parameters, patience)

    def batch(
        self,
        who: Who,
        commands: Mapping[str, tuple[str, Mapping[str, Json]]],
        patience: Patience,
        *,
        allowed: Sequence[str] = ("*",),
        halts: bool = False,
    ) -> tuple[dict[str, Json], dict[str, str]]:
        """
        Call several methods in one request; `$result[name][key]` in a parameter is what an earlier one answered.

        Args:
            commands: Name → method and parameters; 50 at most.
            halts: Whether the first error ends it.

        Returns:
            Name → what was answered, and name → what went wrong.

        Raises:
            PortalError: The whole request failed.
        """
        if len(commands) > BATCH_MAX:
            raise PortalError(
                f"batch: {len(commands)} commands; {BATCH_MAX} at most.", "usage", "Make several batches."
            )
        for name, (method, _) in commands.items():
            if not _COMMAND.fullmatch(name):
                raise PortalError(f"batch: {name[:60]!r} is no name of a command: letters, digits and _.", "usage")
            check_method(method, allowed)
        lines = {name: f"{method}?{query(parameters)}" for name, (method, parameters) in commands.items()}
        result = self._ask(who, "batch", {"halt": int(halts), "cmd": lines}, patience).result
        found = result if isinstance(result, dict) else {}
        errors = {name: _described(error) for name, error in _map(found.get("result_error")).items()}
        return _map(found.get("result")), errors

    def list(
        self,
        who: Who,
        method: str,
        parameters: Mapping[str, Json],
        patience: Patience,
        *,
        allowed: Sequence[str] = ("*",),
        most: int = 500,
    ) -> list[Json]:
        """
        Return the items of a list method, page after page, *most* at most (and never more than 5,000).

        Raises:
            PortalError: It may not be called, a page was refused, or not there in time; or all are more than one
                answer may be.
        """
        check_method(method, allowed)
        most = min(most, LIST_MAX)
        items: list[Json] = []
        size = 0
        start: int | None = 0
        while start is not None and len(items) < most:
            reply = self._ask(who, method, {**parameters, "start": start}, patience)
            items += _items(reply.result, method)
            size += len(documents.dump(reply.result))
            if size > MAX_ANSWER_BYTES:
                raise PortalError(
                    f"{method}: {len(items)} items have more than {MAX_ANSWER_BYTES // 1024**2} MB.",
                    "usage",
                    "Ask for fewer, or for less of each: select.",
                )
            start = reply.next if reply.next is None or reply.next > start else None
        return items[:most]

    # ---- one request -------------------------------------------------------------------------------------------

    def _ask(self, who: Who, method: str, parameters: Mapping[str, Json], patience: Patience) -> Reply:
        way = self._way(who)
        for _ in range(TRIES):
            self._limits.take(way.host, method, patience)
            document = {**parameters, "auth": way.access_token} if way.access_token else dict(parameters)
            answer = _masked(self._client.post(way.endpoint + method, document, patience), way)
            if answer.location:
                way = self._moved(who, way, method, answer.location, patience)
                continue
            found = answer.document
            if not isinstance(found, dict):
                raise PortalError(f"{way.host}: {method}: answers no JSON (status {answer.status}).", "odd_answer")
            self._limits.note_operating(way.host, method, found.get("time"))
            reason = str(found.get("error") or "")
            if not reason and answer.status < 400:
                return Reply(found.get("result"), _integer(found.get("total")), _integer(found.get("next")))
            if reason == "QUERY_LIMIT_EXCEEDED":
                self._limits.note_full(way.host)
            elif reason.lower() in _EXPIRED and isinstance(who, Installed):
                way = self._renewed(who, way, patience)
            else:
                raise self._refused(way, method, answer)
        raise PortalError(f"{way.host}: {method}: was refused {TRIES} times.", "refused", "Try again later.")

    def _way(self, who: Who) -> _Way:
        if isinstance(who, Webhook):
            return _Way(who.url.rstrip("/") + "/", urlsplit(who.url).netloc)
        installed = who.installed if isinstance(who, Employee) else who
        portal = self._portals.find(installed.site, installed.member_id)
        if portal is None:
            raise UnknownPortalError(f"site {installed.site}: the portal has not installed hookd's app, or removed it.")
        if isinstance(who, Employee):
            return _Way(portal.endpoint, portal.host, who.access_token)
        if portal.trouble:
            raise PortalError(f"{portal.host}: {portal.trouble}", "reinstall", _REINSTALL)
        return _Way(portal.endpoint, portal.host, self._portals.tokens(portal.site, portal.member_id).access)

    def _moved(self, who: Who, way: _Way, method: str, location: str, patience: Patience) -> _Way:
        if isinstance(who, Webhook):
            return _followed(way, method, location)
        installed = who.installed if isinstance(who, Employee) else who
        tokens = self._portals.tokens(installed.site, installed.member_id)
        portal, tokens = self._renewal.newer(installed, tokens.access, patience)
        if portal.endpoint == way.endpoint:
            host = urlsplit(location).netloc
            raise PortalError(
                f"{way.host}: redirects to {host[:100]}, but the authorization server knows nothing of it.", "moved"
            )
        log.info("portal_moved", site=installed.site, portal=installed.member_id, host=portal.host)
        is_employee = isinstance(who, Employee)
        return _Way(portal.endpoint, portal.host, way.access_token if is_employee else tokens.access)

    def _renewed(self, who: Installed, way: _Way, patience: Patience) -> _Way:
        portal, tokens = self._renewal.newer(who, way.access_token, patience)
        return _Way(portal.endpoint, portal.host, tokens.access)

    def _refused(self, way: _Way, method: str, answer: Answer) -> PortalError:
        found = answer.document
        reason = str(found.get("error") or f"status {answer.status}")[:60]
        if reason == "OPERATION_TIME_LIMIT":
            until = _map(found.get("time")).get("operating_reset_at")
            self._limits.block(way.host, method, until if isinstance(until, int | float) else time.time() + 60)
        return PortalError(f"{way.host}: {method}: {_described(found)}.", reason, _REMEDIES.get(reason.lower(), ""))


def check_method(method: str, allowed: Sequence[str]) -> None:
    """
    Check that *method* is a name of one, and *allowed*.

    Raises:
        PortalError: It is not.
    """
    if not _METHOD.fullmatch(method):
        raise PortalError(f"{method[:60]!r} is no name of a method, such as crm.lead.get.", "usage")
    if method.lower() == "batch":
        raise PortalError("batch is no method to call.", "usage", "Use bitrix.batch.")
    name = method.lower()
    for pattern in allowed:
        wanted = pattern.lower()
        if name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1])):
            return
    raise PortalError(
        f"{method[:60]}: the site's settings do not allow this method; bitrix_methods = {list(allowed)}.",
        "not_allowed",
        "The operator adds it.",
    )


_REINSTALL = "Open the app in the portal as its administrator: it is then installed anew."
_REMEDIES = {
    "insufficient_scope": "Tick the scope that the method needs on the app's page in the portal, and install it anew.",
    "no_auth_found": _REINSTALL,
    "invalid_credentials": "The webhook was deleted, or its address is not complete.",
    "access_denied": "The user whose tokens these are may not do this in the portal.",
    "expired_token": "The page was open for more than an hour; open it anew.",
    "overload_limit": "The portal has blocked requests by hand; ask Bitrix24's support.",
    "operation_time_limit": "Ask for less at once, or do it in a job.",
    "error_method_not_found": "Look up the method's name in Bitrix24's REST reference; the app may lack its scope.",
}


def _masked(answer: Answer, way: _Way) -> Answer:
    """*answer* without the secret that it was asked with: it goes on to hooks, and errors to journals."""
    secret, text = way.secret.encode(), documents.dump(answer.document)
    if len(secret) < MASKED_MIN or secret not in text:
        return answer
    return replace(answer, document=json.loads(text.replace(secret, MASKED)))


def _followed(way: _Way, method: str, location: str) -> _Way:
    """
    Return where a webhook is now. The old address has had its secret anyway, so the new one may have it, too; but a
    connection that nobody can read is not given up for one that anybody can.
    """
    parts = urlsplit(location)
    beginning, _, rest = location.partition("/rest/")
    path = way.endpoint.partition("/rest/")[2]
    is_same = rest.partition("?")[0].rstrip("/") == path + method
    if not is_same or parts.scheme not in ("https", urlsplit(way.endpoint).scheme) or not parts.netloc:
        raise PortalError(f"{way.host}: redirects to somewhere else than this method.", "moved")
    log.warning("webhook_moved", host=way.host, to=parts.netloc, remedy="put the new address into bitrix_webhook_file")
    return _Way(f"{beginning}/rest/{path}", parts.netloc)


def _items(result: Json, method: str) -> list[Json]:
    """The items in *result*: a list, or an object whose only list it is, as newer methods have it."""
    if isinstance(result, list):
        return result
    lists = [value for value in result.values() if isinstance(value, list)] if isinstance(result, dict) else []
    if len(lists) == 1:
        return list(lists[0])
    raise PortalError(f"{method}: answers no list.", "usage", "Use bitrix.call.")


def _described(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)[:200]
    reason, text = str(error.get("error") or ""), str(error.get("error_description") or "")
    plain = re.sub(r"<[^>]*>", " ", text).strip().rstrip(".")  # tasks describe errors in HTML
    return " ".join(part for part in (reason, f"({plain[:200]})" if plain and plain != reason else "") if part)


def _map(value: Json) -> dict[str, Any]:
    """*value*, of which PHP made a list where it is empty or its keys count up."""
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return value if isinstance(value, dict) else {}


def _integer(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
