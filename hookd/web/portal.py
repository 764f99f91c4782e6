"""
The routes that a Bitrix24 portal asks: its queue posts events, its employees' browsers open pages.

    POST /bitrix24/event, /bitrix24/install, /bitrix24/placement, the same below /sites/<site>/

Who asks is no matter of hookd's own tokens here, nor of the machine it comes from: the portal proves itself (`trust`).
Events are answered with JSON, of which the portal reads the status alone; pages are for people, whatever went wrong.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog
from flask import Flask, Response, jsonify, request

from hookd import metrics
from hookd.documents import Json
from hookd.errors import (
    BusyError,
    ExpiredPageError,
    NotFormError,
    OperatorError,
    SenderError,
    TooLargeError,
    UntrustedError,
)
from hookd.jobs import EVENT
from hookd.logs import mask
from hookd.portal import forms
from hookd.portal.envelopes import read_placement
from hookd.portal.oauth import App
from hookd.portal.trust import INSTALL, UPDATE, Terms
from hookd.sandbox.signatures import FORM_FIELD
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.web.pages import installed, notice
from hookd.web.placements import Pages, Visit, until

REBINDING = (
    INSTALL,
    UPDATE,
)  # events after which an app is bound anew: its hooks may be others, or the portal's rights

RETRY_S = 60  # what is told whoever sends an event that cannot be kept now

# An address of this machine, which nobody but it can open.
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]{2,45}\](?::[0-9]{1,5})?")

Body = Callable[[], bytes]
Fields = dict[str, Json]

log = structlog.get_logger("hookd.web")


def add_routes(app: Flask, service: Service) -> None:
    """
    Add the routes to *app*.
    """
    pages = Pages(service)

    def event(site: str = DEFAULT_SITE) -> Any:
        """Take an event: what is answered with 200 is on the disk."""
        return _take(service, site, _body)

    def install(site: str = DEFAULT_SITE) -> Any:
        """Install the app: an event for one without pages, else a page that says so to the portal."""
        body = cache(_body)  # it can be read once
        if _is_event(body):
            return _take(service, site, body)

        def made(query: Fields, fields: Fields) -> Response:
            opened = read_placement(query, fields)
            portal = service.portal.trust.install(_terms(service, site), opened.claim)
            bindings = service.bind(site, portal, _base(service.settings.public_url, site))
            return installed(opened.language, portal, bindings)

        return _page(site, body, made, refusal="not_installed")

    def placement(site: str = DEFAULT_SITE) -> Any:
        """Show a page in the portal, or take what was filled in there."""
        return _page(site, _body, lambda query, fields: pages.show(_visit(service, site, query, fields)))

    for name, view in {"event": event, "install": install, "placement": placement}.items():
        methods = ["POST"] if name == "event" else ["GET", "POST"]  # a portal opens some places without a form
        app.add_url_rule(f"/bitrix24/{name}", f"bitrix24_{name}", view, methods=methods)
        app.add_url_rule(f"/sites/<site>/bitrix24/{name}", f"site_bitrix24_{name}", view, methods=methods)


def _take(service: Service, name: str, body: Body) -> Any:
    try:
        hooks = _hooks(service, name)
        taken = service.portal.events.take(_terms(service, name), hooks, body(), request.content_type or "")
    except SenderError as error:
        _note(error, name)
        return jsonify(state="error", error={"code": error.code, "message": str(error)}), error.status
    except OperatorError as error:
        log.error("event_lost", site=name, reason=error.code, error=str(error))
        if service.sites.get(name):  # whoever asks cannot make up figures
            metrics.LOST_JOBS.labels(name, EVENT, error.code).inc()
        document = jsonify(state="error", error={"code": error.code, "message": "the event could not be kept"})
        return document, 503, {"Hookd-Reason": error.code, "Retry-After": str(RETRY_S)}
    if taken.event.code in REBINDING:
        _rebind(service, name, taken.event.claim.member_id)
    return jsonify(state="success", hook=taken.hook or None, known=bool(taken.hook) and not taken.is_new)


def _rebind(service: Service, name: str, member_id: str) -> None:
    """Have the portal bound anew; where hookd is, the one that posts an event cannot be believed to know."""
    if service.settings.public_url:
        service.rebind(name, member_id, _base(service.settings.public_url, name))
    else:
        remedy = "set public_url, then `hookd portal bind`"
        log.warning("portal_not_bound", site=name, portal=member_id, error="public_url is not set", remedy=remedy)


def _visit(service: Service, site: str, query: Fields, fields: Fields) -> Visit:
    """
    Return who looks at which page: by the ticket in a form of a page, else as the portal says and proves.

    Raises:
        SenderError: It is no placement, or not believed.
    """
    token = fields.get(FORM_FIELD)
    if not isinstance(token, str):
        opened = read_placement(query, fields)
        portal = service.portal.trust.check_placement(_terms(service, site), opened)
        return Visit(site, opened, portal, {**query, **fields}, None, until(opened))
    ticket = service.portal.tickets.open(site, token)
    opened = read_placement({}, ticket.fields)
    found = service.portal.portals.find(site, opened.claim.member_id)
    if found is None or query.get("APP_SID", opened.session) != opened.session:
        raise UntrustedError(f"site {site}: the page's token is of another page, or its portal removed the app")
    form = {name: value for name, value in fields.items() if name != FORM_FIELD}
    return Visit(site, opened, found, ticket.fields, form, ticket.until)


def _base(public_url: str, site: str) -> str:
    """
    Return the address at which a portal reaches *site*: as it is set, else as the browser of its administrator does.
    """
    path = "" if site == DEFAULT_SITE else f"/sites/{site}"
    if public_url:
        return public_url + path
    host = request.host
    if not _HOST.fullmatch(host):
        return ""
    # Whatever is between, the portal takes addresses with https alone, but on the same machine.
    return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}{path}"


def _page(site: str, body: Body, make: Callable[[Fields, Fields], Response], *, refusal: str = "refused") -> Response:
    """Return the page that *make* makes of the query and the form, or one that says in words what is in its way."""
    query: Fields = {}
    try:
        query = forms.parse_fields(request.query_string)
        sent = body()
        return make(query, forms.parse(sent, request.content_type or "") if sent else {})
    except SenderError as error:
        _note(error, site)
        is_bare = request.method == "GET" and "PLACEMENT" not in query
        name = "bare" if is_bare else _NOTICES.get(type(error), refusal)
        return notice(name, _language(query), error.status, detail=error.code)
    except OperatorError as error:
        log.error("page_failed", site=site, error=str(error))
        return notice("trouble", _language(query), 503, detail=error.code)


def _terms(service: Service, name: str) -> Terms:
    """
    Return whom the site *name* believes; a site that is not there believes nobody, and is told apart by nobody.
    """
    site = service.sites.get(name)
    if site is None:
        return Terms(name, App("", ""))
    settings = site.settings
    return Terms(name, App(settings.bitrix_app_id, settings.bitrix_app_secret), settings.bitrix_event_tokens)


def _hooks(service: Service, name: str) -> Path:
    site = service.sites.get(name)
    return site.hooks.directory if site else service.settings.sites / "nowhere"


def _body() -> bytes:
    """
    Return the request's body, also where it comes in chunks.

    Raises:
        TooLargeError: It is longer than any portal's.
        NotFormError: The sender hung up before all of it was there.
    """
    limit = forms.MAX_BODY_BYTES
    announced = request.content_length or 0
    body: bytes = request.environ["wsgi.input"].read(limit + 1) if announced <= limit else b""
    if announced > limit or len(body) > limit:
        raise TooLargeError(f"the body is longer than {limit} bytes; a portal's have 1 to 20 KB")
    if len(body) < announced:
        raise NotFormError("the body was cut off: the sender was gone before its end")
    return body


def _is_event(body: Body) -> bool:
    try:
        fields = forms.parse(body(), request.content_type or "")
    except SenderError:
        return False
    return "event" in fields and "PLACEMENT" not in fields


_NOTICES: Mapping[type[SenderError], str] = MappingProxyType({BusyError: "busy", ExpiredPageError: "expired"})


def _language(query: dict[str, Json]) -> str:
    language = query.get("LANG", "")
    return language if isinstance(language, str) else ""


def _note(error: SenderError, site: str) -> None:
    metrics.REFUSED.labels(error.code).inc()
    log.info(
        "refused",
        path=mask(request.path[:200]),
        code=error.code,
        client=request.remote_addr,
        site=mask(site[:64]),
        error=mask(str(error)[:500]),
    )
