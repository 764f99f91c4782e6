"""
The routes that a Bitrix24 portal asks: its queue posts events, its employees' browsers open pages.

    POST /bitrix24/event, /bitrix24/install, /bitrix24/placement, the same below /sites/<site>/

Who asks is no matter of hookd's own tokens here, nor of the machine it comes from: the portal proves itself (`trust`).
Events are answered with JSON, of which the portal reads the status alone; pages are for people, whatever went wrong.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response, jsonify, request

from hookd import metrics
from hookd.documents import Json
from hookd.errors import BusyError, NotFormError, OperatorError, SenderError, TooLargeError
from hookd.logs import mask
from hookd.portal import codes, forms
from hookd.portal.envelopes import Placement, read_placement
from hookd.portal.events import hook_of
from hookd.portal.oauth import App
from hookd.portal.portals import Portal
from hookd.portal.trust import Terms
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.web.pages import notice

DIRECTORY = "placements"  # of hooks

Body = Callable[[], bytes]
# Makes the page of a placement that was believed: of a site, by a hook, whose name is "" where there is none.
ShowPage = Callable[[str, str, Placement, Portal], Response]

log = structlog.get_logger("hookd.web")


def add_routes(app: Flask, service: Service, show: ShowPage) -> None:
    """
    Add the routes to *app*.
    """

    def event(site: str = DEFAULT_SITE) -> Any:
        """Take an event: what is answered with 200 is on the disk."""
        return _take(service, site, _body)

    def install(site: str = DEFAULT_SITE) -> Any:
        """Install the app: an event for one without pages, else a page that says so to the portal."""
        body = cache(_body)  # it can be read once
        if _is_event(body):
            return _take(service, site, body)

        def installed(opened: Placement) -> Response:
            portal = service.portal.trust.install(_terms(service, site), opened.claim)
            return notice("installed", opened.language, 200, portal=portal, detail=portal.host, finishes=True)

        return _page(site, body, installed)

    def placement(site: str = DEFAULT_SITE) -> Any:
        """Show a page in the portal."""

        def shown(opened: Placement) -> Response:
            portal = service.portal.trust.check_placement(_terms(service, site), opened)
            hook = hook_of(_hooks(service, site), DIRECTORY, codes.placement_hooks(opened.code))
            return show(site, hook, opened, portal)

        return _page(site, _body, shown)

    for name, view in {"event": event, "install": install, "placement": placement}.items():
        methods = ["POST"] if name == "event" else ["GET", "POST"]  # a portal opens some places without a form
        app.add_url_rule(f"/bitrix24/{name}", f"bitrix24_{name}", view, methods=methods)
        app.add_url_rule(f"/sites/<site>/bitrix24/{name}", f"site_bitrix24_{name}", view, methods=methods)


def no_hook(site: str, hook: str, opened: Placement, portal: Portal) -> Response:
    """
    Return the page for a place that no hook answers.
    """
    return notice("no_hook", opened.language, 200, portal=portal, detail=opened.code)


def _take(service: Service, name: str, body: Body) -> Any:
    try:
        hooks = _hooks(service, name)
        taken = service.portal.events.take(_terms(service, name), hooks, body(), request.content_type or "")
    except SenderError as error:
        _note(error, name)
        return jsonify(state="error", error={"code": error.code, "message": str(error)}), error.status
    except OperatorError as error:
        log.error("event_lost", site=name, error=str(error))
        return jsonify(state="error", error={"code": error.code, "message": "the event could not be kept"}), 503
    return jsonify(state="success", hook=taken.hook or None, known=bool(taken.hook) and not taken.is_new)


def _page(site: str, body: Body, make: Callable[[Placement], Response]) -> Response:
    """Return the page that *make* makes, or one that says in words what is in its way."""
    query: dict[str, Json] = {}
    try:
        query = forms.parse_fields(request.query_string)
        sent = body()
        opened = read_placement(query, forms.parse(sent, request.content_type or "") if sent else {})
        return make(opened)
    except SenderError as error:
        _note(error, site)
        name = "busy" if isinstance(error, BusyError) else "refused"
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
        raise NotFormError("the body ended before all of its Content-Length was there")
    return body


def _is_event(body: Body) -> bool:
    try:
        fields = forms.parse(body(), request.content_type or "")
    except SenderError:
        return False
    return "event" in fields and "PLACEMENT" not in fields


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
