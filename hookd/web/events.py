"""
Events of Bitrix24, past the Flask app: a portal posts hundreds a second when somebody imports a list.

    POST /bitrix24/event, /sites/<site>/bitrix24/event

The portal reads nothing but the status. What is answered with 200 is on the disk.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hookd import documents, metrics
from hookd.documents import Json
from hookd.errors import GoneError, MethodError, OperatorError, SenderError
from hookd.jobs import EVENT
from hookd.portal import forms
from hookd.portal.oauth import App as PortalApp
from hookd.portal.trust import INSTALL, UPDATE, Terms
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.web.lane import JSON, App, Receive, Scope, Send, answer, read_body, refuse

PATH = "/bitrix24/event"
RETRY_S = 60  # what is told whoever sends an event that cannot be kept now
REBINDING = (INSTALL, UPDATE)  # after them an app is bound anew: its hooks may be others, or the portal's rights
_USUAL = "a portal's have 1 to 20 KB"

log = structlog.get_logger("hookd.web")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to an event."""

    document: dict[str, Json]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class EventRoute:
    """
    The route of events as an ASGI application, and *behind* for every other path.

    Args:
        threads: Where events are taken: whoever takes one waits for the disk.
    """

    def __init__(self, service: Service, behind: App, threads: Executor) -> None:
        self._service = service
        self._behind = behind
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        site = _site(scope["path"])
        if site is None:
            await self._behind(scope, receive, send)
            return
        headers = dict(scope["headers"])
        try:
            if scope["method"] != "POST":
                raise MethodError(f"{scope['method']}: a portal sends its events with POST")
            body = await read_body(receive, headers, forms.MAX_BODY_BYTES, _USUAL)
            content_type = headers.get(b"content-type", b"").decode("latin-1")
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._threads, take, self._service, site, body, content_type)
        except (SenderError, GoneError) as error:
            await refuse(scope, send, error)
            return
        more = [(name.lower().encode(), value.encode()) for name, value in found.headers.items()]
        await answer(send, found.status, documents.dump(found.document), [JSON, *more])


def _site(path: str) -> str | None:
    """The site whose events are posted to *path*; None where it is another path."""
    if path == PATH:
        return DEFAULT_SITE
    if path.startswith("/sites/") and path.endswith(PATH):
        name = path.removeprefix("/sites/").removesuffix(PATH)
        return name if name and "/" not in name else None
    return None


def take(service: Service, name: str, body: bytes, content_type: str) -> Answer:
    """
    Take the event in *body* for the site *name*, and return what is answered; it blocks.

    Raises:
        SenderError: It is no event, or its sender does not prove to be the portal that it names.
    """
    try:
        taken = service.portal.events.take(terms(service, name), _hooks(service, name), body, content_type)
    except SenderError:
        raise
    except OperatorError as error:
        log.error("event_lost", site=name, reason=error.code, error=str(error))
        return _lost(service, name, error.code)
    except Exception:
        log.exception("event_lost", site=name, reason="internal")
        return _lost(service, name, "internal")
    if taken.event.code in REBINDING:
        _rebind(service, name, taken.event.claim.member_id)
    is_known = bool(taken.hook) and not taken.is_new
    return Answer({"state": "success", "hook": taken.hook or None, "known": is_known})


def _lost(service: Service, name: str, reason: str) -> Answer:
    if service.sites.get(name):  # whoever asks cannot make up figures
        metrics.LOST_JOBS.labels(name, EVENT, reason).inc()
    document = {"state": "error", "error": {"code": reason, "message": "the event could not be kept"}}
    return Answer(document, 503, {"Hookd-Reason": reason, "Retry-After": str(RETRY_S)})


def terms(service: Service, name: str) -> Terms:
    """
    Return whom the site *name* believes; a site that is not there believes nobody, and is told apart by nobody.
    """
    site = service.sites.get(name)
    if site is None:
        return Terms(name, PortalApp("", ""))
    settings = site.settings
    return Terms(name, PortalApp(settings.bitrix_app_id, settings.bitrix_app_secret), settings.bitrix_event_tokens)


def base_url(public_url: str, site: str) -> str:
    """
    Return the address at which a portal reaches *site*, below the *public_url* of hookd.
    """
    return public_url if site == DEFAULT_SITE else f"{public_url}/sites/{site}"


def _rebind(service: Service, name: str, member_id: str) -> None:
    """Have the portal bound anew; where hookd is, the one that posts an event cannot be believed to know."""
    if service.settings.public_url:
        service.rebind(name, member_id, base_url(service.settings.public_url, name))
    else:
        remedy = "set public_url, then `hookd portal bind`"
        log.warning("portal_not_bound", site=name, portal=member_id, error="public_url is not set", remedy=remedy)


def _hooks(service: Service, name: str) -> Path:
    site = service.sites.get(name)
    return site.hooks.directory if site else service.settings.sites / "nowhere"
