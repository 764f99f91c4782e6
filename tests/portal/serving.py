"""
hookd as gunicorn serves it, but with authorization servers that a test runs: `serve_with` starts it.

There is no setting for them, on purpose; so this module stands in for `hookd.web.asgi` in the tests that need it, and
gets their address by an environment variable that hookd itself knows nothing of.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from hookd.web import asgi
from tests.conftest import ROOT, Server, start
from tests.portal.server import APP_ID, APP_SECRET, Bitrix24

VARIABLE = "TEST_AUTHORITIES"

SITE = f"""
[site]
bitrix_app_id = "{APP_ID}"
bitrix_app_secret = "{APP_SECRET}"
"""
GUNICORN = """
from hookd.web.server import gunicorn_settings
globals().update({**gunicorn_settings(), "wsgi_app": "tests.portal.serving:create()"})
"""


def create() -> Any:
    """Return the application."""
    return asgi.create(authorities=json.loads(os.environ[VARIABLE]))


def serve_with(bitrix24: Bitrix24, directory: Path, *, config: str = SITE, processes: int = 1) -> Server:
    """
    Start hookd on *directory*, with the authorization servers of *bitrix24*.
    """
    file = directory / "gunicorn.conf.py"
    file.write_text(GUNICORN)
    return start(
        directory,
        config=config,
        processes=processes,
        environment={
            VARIABLE: json.dumps(bitrix24.addresses),
            "HOOKD_CONFIG": str(directory / "hookd.toml"),
            "PYTHONPATH": str(ROOT),
        },
        command=[sys.executable, "-m", "gunicorn", "-c", str(file)],
    )
