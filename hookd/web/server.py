"""
How gunicorn runs hookd: the settings that `gunicorn.conf.py` hands over.

This module is imported before anything that counts: the figures' directory has to be there when `hookd.metrics` is
imported, which `hookd.web.asgi` does.
"""

import gc
import os
import signal
from functools import cache
from pathlib import Path
from typing import Any

from hookd import figure_files
from hookd.errors import HookdError
from hookd.sandbox import jail
from hookd.setting_readers import MAX_TIMEOUT_S
from hookd.settings import Settings, find_config, load

STOP_S = MAX_TIMEOUT_S + 5  # the longest run, and some
SILENT_S = 60  # an event loop that stood still this long is replaced
KEEPALIVE_S = 75  # longer than the 60 s after which proxies drop an idle connection
BACKLOG = 2048


def load_settings() -> Settings:
    """
    Return the settings that this process was started with.

    Raises:
        SettingsError: They are wrong, or there are none.
    """
    working = Path.cwd()
    return load(find_config(None, os.environ, working), working)


@cache
def gunicorn_settings() -> dict[str, Any]:
    """
    Return the names and values of a gunicorn configuration file.

    The first ones stay: gunicorn reads its file again on SIGHUP, when a wrong setting would stop a server that serves.

    Raises:
        SystemExit: The settings are wrong; it carries what is to be printed.
    """
    try:
        settings = load_settings()
    except HookdError as error:
        raise SystemExit(f"hookd: {error}") from error
    figure_files.make()
    return {
        "bind": settings.bind,
        "workers": settings.processes,
        "worker_class": "hookd.web.asgi.HttpProcess",
        "wsgi_app": "hookd.web.asgi:create()",
        "preload_app": True,  # a wrong setting ends the start with one message, and the processes share memory
        "graceful_timeout": int(STOP_S),
        "timeout": SILENT_S,
        "keepalive": KEEPALIVE_S,
        "backlog": BACKLOG,
        "proc_name": "hookd",
        "control_socket_disable": True,
        "errorlog": "-",
        "loglevel": "warning",
        "on_starting": _on_starting,
        "pre_fork": _pre_fork,
        "post_fork": _post_fork,
        "child_exit": _child_exit,
        "on_exit": _on_exit,
    }


def _on_starting(arbiter: Any) -> None:
    jail.not_dumpable()


def _pre_fork(arbiter: Any, process: Any) -> None:
    # What is there now is shared by all processes: a garbage collection in one of them would write to all of it.
    gc.collect()
    gc.freeze()


def _post_fork(arbiter: Any, process: Any) -> None:
    jail.not_dumpable()
    # Uvicorn's worker does not look after its parent: it would serve on, and keep the address from the next gunicorn.
    jail.end_with(arbiter.pid, signal.SIGTERM)
    jail.raise_descriptor_limit()


def _child_exit(arbiter: Any, process: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead  # only now is its directory known

    mark_process_dead(process.pid)  # type: ignore[no-untyped-call]


def _on_exit(arbiter: Any) -> None:
    figure_files.remove()
