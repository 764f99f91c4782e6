"""
Pages of hooks: from a placement that was believed to what the employee sees, and from the page's forms back again.

    portal's form → trust → hook (runner, in a worker: hook and template) → layout → iframe
    page's form → ticket → the same hook, with placement["form"] → …

What a worker makes is HTML that nobody has looked at. It stands in a page whose policy lets no script run but those
with the page's own nonce and the vendor's, sends forms to nobody but hookd, and is framed by its own portal alone.
"""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from flask import Response, render_template
from markupsafe import Markup

from hookd.documents import Json
from hookd.errors import BusyError
from hookd.points import PLACEMENTS, work_point
from hookd.portal import codes
from hookd.portal.envelopes import Placement
from hookd.portal.portals import Portal
from hookd.portal.rest import Employee
from hookd.portal.tickets import good_until
from hookd.runs import Run
from hookd.service import Service
from hookd.web.pages import make_nonce, notice, secured, spoken

# At the same time in one process, so that threads are left for events and health whatever hooks wait for.
PAGES_MAX = 10

log = structlog.get_logger("hookd.web")


@dataclass(frozen=True, slots=True)
class Visit:
    """
    An employee who looks at a page.

    Attributes:
        opened: What the portal opened it with.
        fields: The same as they came, for the ticket.
        form: What a form in the page was filled in with; None where the portal opened the page.
        until: Until when the page is good, seconds since 1970.
    """

    site: str
    opened: Placement
    portal: Portal
    fields: Mapping[str, Json]
    form: Json
    until: float


class Pages:
    """
    The pages of all sites, as one process makes them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._room = threading.BoundedSemaphore(PAGES_MAX)

    def show(self, visit: Visit) -> Response:
        """
        Return the page for *visit*: the hook's, or one that says why there is none.

        Raises:
            BusyError: Too many pages are being made.
            OperatorError: hookd is stopping, or its key cannot be read.
        """
        hook = self._hook(visit)
        if not hook:
            is_home = visit.opened.code == codes.HOME
            name, detail = ("home", "") if is_home else ("no_hook", visit.opened.code)
            return notice(name, visit.opened.language, 200, portal=visit.portal, detail=detail)
        if not self._room.acquire(blocking=False):
            raise BusyError("too many pages are being made at this moment; try again in a few seconds")
        try:
            return self._made(visit, hook)
        finally:
            self._room.release()

    def _hook(self, visit: Visit) -> str:
        """The name of the hook that makes the page; "" where there is none. A broken one is the right one, too."""
        site = self._service.sites.get(visit.site)
        snapshot = site.hooks.snapshot if site else None
        names = codes.placement_hooks(visit.opened.code)
        return next(
            (
                name
                for name in names
                if snapshot and (f"{PLACEMENTS}/{name}" in snapshot.hooks or f"{PLACEMENTS}/{name}" in snapshot.broken)
            ),
            "",
        )

    def _made(self, visit: Visit, hook: str) -> Response:
        site = self._service.sites.get(visit.site)
        assert site is not None  # the hook is one of its
        nonce, placeholder = make_nonce(), f"page-{secrets.token_hex(16)}"
        run = self._service.run_from_thread(
            site,
            work_point(PLACEMENTS, hook),
            {**visit.opened.document(), "form": visit.form},
            odd=visit.opened.warnings,
            frame={"nonce": nonce, "token": placeholder},
            who=Employee(self._service.portal.installed(visit.portal, site.settings), visit.opened.claim.access_token),
        )
        language, data = visit.opened.language, run.reply.get("data")
        if run.outcome == "fallback":
            name = "busy" if run.reason in ("busy", "stopping") else "failed"
            response = notice(name, language, 200, portal=visit.portal, detail=run.run_id)
        elif data is None:
            response = notice("nothing", language, 200, portal=visit.portal)
        else:
            # The ticket goes in here: what a run has in it, journals keep.
            ticket = self._service.portal.tickets.issue(visit.site, visit.fields, visit.until)
            text = laid_out(data["html"], data["title"], nonce, language).replace(placeholder, ticket)
            response = secured(Response(text, 200, content_type="text/html; charset=utf-8"), nonce, visit.portal)
        return _told(response, run)


def until(opened: Placement) -> float:
    """
    Return until when the page is good that was *opened* now.
    """
    return good_until(float(opened.claim.expires_in_s))


def laid_out(body: str, title: str, nonce: str, language: str) -> str:
    """
    Return *body*, a page's HTML, in the layout of all pages; one that is a whole document stays as it is.
    """
    if body.lstrip()[:9].lower() == "<!doctype":
        return body
    return render_template("page.html", body=Markup(body), title=title, nonce=nonce, language=spoken(language))


def _told(response: Response, run: Run) -> Response:
    response.headers["Hookd-Run-Id"] = run.run_id
    response.headers["Hookd-Outcome"] = run.outcome
    return response
