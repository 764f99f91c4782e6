"""
The ASGI application, and the gunicorn worker class that serves it.
"""

import asyncio
import mmap
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from uvicorn_worker import UvicornWorker

from hookd import contract, figure_files, logs
from hookd.portal import envelopes, forms
from hookd.portal.oauth import ADDRESSES
from hookd.service import Service
from hookd.web.app import create_app
from hookd.web.connector import Connector
from hookd.web.events import EventRoute
from hookd.web.protocol import LimitedProtocol
from hookd.web.server import load_settings
from hookd.web.wsgi import Threaded

_HAS_SERVED = mmap.mmap(-1, 1)  # shared by all processes, since they are forked from the one that imported this
RETRY_S = 1.0  # between two starts of a process that fails
# For events and the Flask app, never the connector: pages take PAGES_MAX of them at most, the rest is for events.
# Events that come while the disk is slow wait in one each, and are then written together.
APP_THREADS = 48


class HttpProcess(UvicornWorker):  # type: ignore[misc]  # the base class has no types
    """
    One HTTP process: uvicorn on uvloop and httptools.

    Addresses in X-Forwarded-For are not believed: whether a caller is this machine decides what it may ask.
    """

    CONFIG_KWARGS = {  # noqa: RUF012 (the base class reads it as it is)
        "loop": "uvloop",
        "http": LimitedProtocol,
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    async def _serve(self) -> None:
        try:
            await super()._serve()
        except SystemExit:
            # gunicorn takes this for a server that cannot start, and stops them all. Once one process has served, the
            # trouble may pass (a full disk, no memory): the others go on, and this one is tried again.
            if not _HAS_SERVED[0]:
                raise
            await asyncio.sleep(RETRY_S)
            sys.exit(1)


def _note_served() -> None:
    _HAS_SERVED[0] = 1


def create(*, authorities: Mapping[str, str] = ADDRESSES) -> Any:
    """
    Return the application; its lifespan starts and stops the service.

    Args:
        authorities: Where Bitrix24's authorization servers are; only tests have their own.
    """
    settings = load_settings()
    logs.configure(settings.log_format)
    contract.preload()  # before the processes are forked: they share it, and no call waits for it
    envelopes.preload()
    service = Service(settings, on_ready=_note_served, authorities=authorities)
    app = create_app(service, is_multiprocess=figure_files.are_shared())
    threads = ThreadPoolExecutor(APP_THREADS, thread_name_prefix="app")
    pages = Threaded(app, threads=threads, most_bytes=forms.MAX_BODY_BYTES)
    return Connector(service, EventRoute(service, pages, threads))
