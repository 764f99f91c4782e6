"""
The ASGI application, and the gunicorn worker class that serves it.
"""

import os
from typing import Any

from a2wsgi import WSGIMiddleware
from uvicorn_worker import UvicornWorker

from hookd import contract, logs
from hookd.service import Service
from hookd.web.app import create_app
from hookd.web.connector import Connector
from hookd.web.server import METRICS_VARIABLE, load_settings

APP_THREADS = 4  # for the Flask app: health, metrics and pages, never the connector


class HttpProcess(UvicornWorker):  # type: ignore[misc]  # the base class has no types
    """
    One HTTP process: uvicorn on uvloop and httptools.

    Addresses in X-Forwarded-For are not believed: whether a caller is this machine decides what it may ask.
    """

    CONFIG_KWARGS = {  # noqa: RUF012 (the base class reads it as it is)
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }


def create() -> Any:
    """
    Return the application; its lifespan starts and stops the service.
    """
    settings = load_settings()
    logs.configure(settings.log_format)
    contract.preload()  # before the processes are forked: they share it, and no call waits for it
    service = Service(settings)
    app = create_app(service, is_multiprocess=METRICS_VARIABLE in os.environ)
    behind: Any = WSGIMiddleware(app, workers=APP_THREADS)  # type: ignore[arg-type]  # Flask's own types are narrower
    return Connector(service, behind)
