"""
The routes that a Bitrix24 portal asks: its employees' browsers open pages.

    POST /bitrix24/install, /bitrix24/placement, the same below /sites/<site>/

Who asks is no matter of hookd's own tokens here, nor of the machine it comes from: the portal proves itself (`trust`).
Pages are for people, whatever went wrong. Events have a way of their own (`events`), but an app without pages is told
of its installation by an event that comes here.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
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
from hookd.logs import mask
from hookd.portal import forms
from hookd.portal.envelopes import read_placement
from hookd.sandbox.signatures import FORM_FIELD
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.web.events import base_url, take, terms
from hookd.web.lane import error_document
from hookd.web.pages import installed, notice
from hookd.web.placements import Pages, Visit, until

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

    def install(site: str = DEFAULT_SITE) -> Any:
        """Install the app: an event for one without pages, else a page that says so to the portal."""
        body = cache(_body)  # it can be read once
        if _is_event(body):
            return _take(service, site, body)

        def made(query: Fields, fields: Fields) -> Response:
            opened = read_placement(query, fields)
            portal = service.portal.trust.install(terms(service, site), opened.claim)
            bindings = service.bind(site, portal, _base(service.settings.public_url, site))
            return installed(opened.language, portal, bindings)

        return _page(site, body, made, refusal="not_installed")

    def placement(site: str = DEFAULT_SITE) -> Any:
        """Show a page in the portal, or take what was filled in there."""
        return _page(site, _body, lambda query, fields: pages.show(_visit(service, site, query, fields)))

    for name, view in {"install": install, "placement": placement}.items():
        methods = ["GET", "POST"]  # a portal opens some places without a form
        app.add_url_rule(f"/bitrix24/{name}", f"bitrix24_{name}", view, methods=methods)
        app.add_url_rule(f"/sites/<site>/bitrix24/{name}", f"site_bitrix24_{name}", view, methods=methods)


def _take(service: Service, site: str, body: Body) -> Any:
    try:
        found = take(service, site, body(), request.content_type or "")
    except SenderError as error:
        _note(error, site)
        return jsonify(error_document(error)), error.status
    return jsonify(found.document), found.status, found.headers


def _visit(service: Service, site: str, query: Fields, fields: Fields) -> Visit:
    """
    Return who looks at which page: by the ticket in a form of a page, else as the portal says and proves.

    Raises:
        SenderError: It is no placement, or not believed.
    """
    token = fields.get(FORM_FIELD)
    if not isinstance(token, str):
        opened = read_placement(query, fields)
        portal = service.portal.trust.check_placement(terms(service, site), opened)
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
    if public_url:
        return base_url(public_url, site)
    host = request.host
    if not _HOST.fullmatch(host):
        return ""
    # Whatever is between, the portal takes addresses with https alone, but on the same machine.
    return base_url(f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}", site)


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
