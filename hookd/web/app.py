"""
What people and monitoring look at: one Flask app behind the connector's lane.
"""

import contextlib
import os
import shlex
from typing import Any

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client import REGISTRY as OWN_REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.exceptions import HTTPException

from hookd import __version__, documents, metrics, samples
from hookd.consumer import lock
from hookd.errors import MissingTokenError, SenderError, StorageError
from hookd.jobs import EVENT, JOB, Jobs
from hookd.names import meant
from hookd.points import POINTS
from hookd.service import Service
from hookd.settings import DEFAULT_SITE
from hookd.web import portal
from hookd.web.auth import Caller, allow, is_trusted


def create_app(service: Service, *, is_multiprocess: bool) -> Flask:
    """
    Return the app for *service*.

    Args:
        is_multiprocess: Whether /metrics adds up the files of all HTTP processes.
    """
    app = Flask("hookd.web")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider
    _add_pages(app, service, is_multiprocess=is_multiprocess)
    portal.add_routes(app, service)
    _add_error_handlers(app)
    return app


def _add_pages(app: Flask, service: Service, *, is_multiprocess: bool) -> None:
    tokens = service.settings.operator_tokens

    @app.get("/")
    def index() -> Any:
        """List the points, with a request for each that works as it stands."""
        default = service.sites.get(DEFAULT_SITE)
        allow(_caller(), (*tokens, *(default.settings.tokens if default else ())), "the list of points")
        listed = [
            f"{point.name}: {point.summary}\n  {_curl(point.name, request.host_url)}\n" for point in POINTS.values()
        ]
        text = "\n".join((f"hookd {__version__}: {len(POINTS)} points; add ?explain=1 to see the whole run\n", *listed))
        return Response(text, content_type="text/plain; charset=utf-8")

    @app.get("/healthz")
    def healthz() -> Any:
        """This process answers; whoever asks learns nothing else."""
        return jsonify(state="ok")

    @app.get("/readyz")
    def readyz() -> Any:
        """Whether hooks run, and everything that keeps one from it, as far as the caller may know."""
        reasons = not_ready(service)
        document: dict[str, Any] = {"state": "not_ready" if reasons else "ready"}
        if is_trusted(_caller(), tokens):
            document |= {"reasons": reasons, **details(service)}
        return jsonify(document), 503 if reasons else 200

    @app.get("/metrics")
    def show_metrics() -> Response:
        """Figures for Prometheus, of all HTTP processes together."""
        allow(_caller(), tokens, "metrics")
        metrics.WAITING.set(service.pool.waiting)
        count_jobs(service.jobs)
        registry = OWN_REGISTRY
        if is_multiprocess:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus_client has no types here
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _add_error_handlers(app: Flask) -> None:
    @app.errorhandler(SenderError)
    def refuse(error: SenderError) -> Any:
        metrics.REFUSED.labels(error.code).inc()
        headers = {"WWW-Authenticate": 'Bearer realm="hookd"'} if isinstance(error, MissingTokenError) else {}
        return _error(error.code, str(error)), error.status, headers

    @app.errorhandler(HTTPException)
    def not_here(error: HTTPException) -> Any:
        """Everything else, by far the most often a misspelt point."""
        name = request.path.rpartition("/")[2].removesuffix(".php")
        pages = "GET /, /healthz, /readyz, /metrics; POST /bitrix24/event, /bitrix24/install, /bitrix24/placement"
        known = f"{pages}; POST /<point>: {', '.join(POINTS)}"
        asked = f"{request.method} {request.path[:200]}"
        message = f"{asked}: {error.name.lower()}{meant(name, POINTS)} There are: {known}."
        return _error("unknown_point" if error.code == 404 else "http", message), error.code or 500


def not_ready(service: Service) -> list[str]:
    """
    Return what stops every hook at this moment.
    """
    reasons = []
    if service.runner.is_stopping:
        reasons.append("hookd is stopping")
    elif not service.is_ready:
        reasons.append("hookd is starting")
    elif not service.pool.is_up:
        reasons.append("the sandbox is being restarted")
    elif service.runner.is_weak:
        level, wanted = service.pool.isolation.name, service.settings.min_isolation
        reasons.append(f"hooks are not run: their isolation is {level} here, min_isolation is {wanted}")
    return reasons


def details(service: Service) -> dict[str, Any]:
    """
    Return what an operator wants to know beside readiness: workers, sites, and what is broken in them.
    """
    return {
        "hookd": __version__,
        "state_directory": os.path.realpath(service.settings.state),  # tells one installation from another
        "workers": {str(state): number for state, number in service.pool.states().items()},
        "waiting": service.pool.waiting,
        "isolation": _isolation(service),
        "paused": [{"site": site, "hook": hook, "seconds": round(seconds)} for site, hook, seconds in service.paused()],
        "quarantined": [{"site": site, "hook": hook, "detail": detail} for site, hook, detail in service.quarantined()],
        "sites": {
            site.name: {
                "hooks": {name: hook.digest[:12] for name, hook in site.hooks.snapshot.hooks.items()},
                "broken": {
                    name: [str(problem) for problem in problems]
                    for name, problems in site.hooks.snapshot.broken.items()
                },
                "problems": [str(problem) for problem in site.hooks.snapshot.problems],
            }
            for site in service.sites.all()
        },
        "unusable_sites": service.sites.unusable,
        "consumer": consumer(service),
    }


def _isolation(service: Service) -> dict[str, Any]:
    found, settings = service.pool.isolation, service.settings
    return {
        "level": found.name,
        "min_isolation": settings.min_isolation,
        "allow_weak_isolation": settings.allow_weak_isolation,
        "layers": {name: why or "in force" for name, why in found.layers.items()},
        "attempts": dict(found.attempts),
        "missing": found.reasons(),
    }


def consumer(service: Service) -> str:
    """
    Return whether jobs and events are being done: "running", "missing", or "not needed" where there is no hook of one.
    """
    if lock.is_held(service.settings.state):
        return "running"
    return "missing" if any(site.hooks.snapshot.has_durable for site in service.sites.all()) else "not needed"


def count_jobs(jobs: Jobs) -> None:
    """
    Bring the figures of jobs and events up to date, where any was ever promised.
    """
    if jobs.path.exists():
        with contextlib.suppress(StorageError):  # whoever promises a job is told
            for gauge, kind in ((metrics.JOBS, JOB), (metrics.EVENTS, EVENT)):
                for state, number in jobs.counts(kind=kind).items():
                    gauge.labels(state).set(number)


def _caller() -> Caller:
    headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in request.headers}
    return Caller(request.remote_addr or "", headers)


def _curl(point: str, base: str) -> str:
    body = documents.dump(samples.sample(POINTS[point], "minimal")).decode()
    return f"curl -d {shlex.quote(body)} {base}{point}"


def _error(code: str, message: str) -> Response:
    return jsonify(state="error", error={"code": code, "message": message})
