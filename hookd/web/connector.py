"""
The connector's routes: a small ASGI lane in front of the Flask app.

    POST /<point>, /<point>.php, /<anything>/actions/<point>.php, the same below /sites/<site>/

Every request that can be answered with a valid reply is: 200, whatever the hook did. What is the sender's mistake is
told with a status, a code and a message. All else goes on to the app behind.
"""

import time
from dataclasses import dataclass

import structlog

from hookd import documents, figure_files
from hookd.errors import (
    GoneError,
    HookdError,
    MethodError,
    SenderError,
    UnknownPointError,
    Violation,
)
from hookd.names import meant
from hookd.points import ALIASES, POINTS, RECORD_POINT, Point
from hookd.runs import Origin, Run
from hookd.runs import document as run_document
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.sites import Site
from hookd.web.auth import Caller, allow
from hookd.web.lane import JSON, App, Headers, Receive, Scope, Send, answer, read_body, refuse

MAX_BODY_BYTES = 1024 * 1024
_USUAL = "a connector's requests have 1 to 20 KB"
ERROR_HEADER_CHARACTERS = 200
MIN_LIMIT_MS, MAX_LIMIT_MS = 1, 60_000

log = structlog.get_logger("hookd.web")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path asks for: a point of a site, by their names as given."""

    site: str
    point: str


class Connector:
    """
    The ASGI application of one process: the points of *service*, and *behind* for every other path.
    """

    def __init__(self, service: Service, behind: App) -> None:
        self._service = service
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            started = time.monotonic()
            target = _TARGETS.get(scope["path"]) or find_target(scope["path"])
            if target is None:
                await self._behind(scope, receive, send)
            else:
                await self._serve(scope, receive, send, target, started)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._service.start()
        except (HookdError, OSError) as error:
            figure_files.release()
            log.error("start_failed", error=str(error))
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._service.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send, target: Target, started: float) -> None:
        client = scope.get("client")
        caller = Caller(client[0] if client else "", dict(scope["headers"]))
        try:
            run = await self._answer(scope, receive, target, caller, started)
        except (SenderError, GoneError) as error:
            await refuse(scope, send, error)
            return
        is_explained = b"explain=1" in scope["query_string"].split(b"&")
        await answer(send, 200, documents.dump(run_document(run) if is_explained else run.reply), _run_headers(run))

    async def _answer(self, scope: Scope, receive: Receive, target: Target, caller: Caller, started: float) -> Run:
        site, point = self._find(target, caller)
        if scope["method"] != "POST":
            host = caller.headers.get(b"host", b"127.0.0.1:8080").decode("latin-1")
            shown = f"curl -d '{{…}}' http://{host}{scope['path']}"
            raise MethodError(f"{scope['method']}: the points are asked with POST: {shown}")
        body = await read_body(receive, caller.headers, MAX_BODY_BYTES, _USUAL)
        document = documents.parse(body)
        limit_s, odd = _asked_limit(caller.headers.get(b"hookd-deadline-ms"), point)
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        origin = Origin(scope["method"], scope["path"] + query, caller.headers, body)
        run = await self._service.runner.run(
            site, point, document, started=started, limit_s=limit_s, odd=odd, origin=origin
        )
        return run

    def _find(self, target: Target, caller: Caller) -> tuple[Site, Point]:
        site = self._service.sites.get(target.site)
        point = POINTS.get(ALIASES.get(target.point, target.point))
        if site is None:
            if not caller.is_local:  # whether a site exists is told only to this machine
                allow(caller, ("",), f"site {target.site}")
            raise UnknownPointError(f"there is no site {target.site!r}")
        allow(caller, site.settings.tokens, f"site {site.name}")
        if point is None:
            message = (
                f"there is no point {target.point[:80]!r}{meant(target.point, POINTS)} Points: {', '.join(POINTS)}"
            )
            raise UnknownPointError(message)
        return site, point


def find_target(path: str) -> Target | None:
    """
    Return what *path* asks for; None where it is no path of the connector's.
    """
    site = DEFAULT_SITE
    if path.startswith("/sites/"):
        site, slash, path = path.removeprefix("/sites/").partition("/")
        path = slash + path
    prefix, _, name = path.rpartition("/")
    name = name.removesuffix(".php")
    is_known = name in POINTS or name in ALIASES
    if prefix.endswith("/actions") or (site != DEFAULT_SITE and not prefix):
        return Target(site, name)
    return Target(site, name) if is_known and not prefix else None


_TARGETS = {
    path: Target(DEFAULT_SITE, point)
    for point in POINTS
    for path in (f"/{point}", f"/{point}.php", f"/actions/{point}.php")
}


def _asked_limit(value: bytes | None, point: Point) -> tuple[float | None, tuple[Violation, ...]]:
    if value is None:
        return None, ()
    if point.name == RECORD_POINT:
        return None, (Violation("", "Hookd-Deadline-Ms is ignored here: this point's limit is fixed"),)
    if value.isdigit() and MIN_LIMIT_MS <= int(value[:6]) <= MAX_LIMIT_MS and len(value) < 6:
        return int(value) / 1000, ()
    shown = value[:20].decode("latin-1")
    return None, (
        Violation("", f"Hookd-Deadline-Ms {shown!r} is ignored: 1 to {MAX_LIMIT_MS} milliseconds are expected"),
    )


def _run_headers(run: Run) -> Headers:
    # Whoever got as far as a run has shown a token or is this machine: the error's text is for them.
    times = ", ".join(f"{phase};dur={milliseconds:.2f}" for phase, milliseconds in run.times_ms.items())
    headers = [
        JSON,
        (b"hookd-run-id", run.run_id.encode()),
        (b"hookd-outcome", run.outcome.encode()),
        (b"server-timing", times.encode()),
    ]
    if run.reason:
        headers.append((b"hookd-reason", run.reason.encode()))
    if run.error:
        text = str(run.error)[:ERROR_HEADER_CHARACTERS].encode("ascii", "replace")
        headers.append((b"hookd-error", bytes(byte if 32 <= byte < 127 else 63 for byte in text)))
    return headers
