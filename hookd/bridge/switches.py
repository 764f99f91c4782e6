"""
Which customizations are switched on in the connector, as its own status page tells.

The page is `/status` on the connector's port 8077, behind HTTP digest authentication with the login of its admin panel:
`app.customizer.enabled`, and `app.customizer.methods` with a boolean a method.
"""

from dataclasses import dataclass, field

import requests
from requests.auth import HTTPDigestAuth

from hookd import documents
from hookd.documents import Json
from hookd.errors import NotJsonError

STATUS_S = 5.0
STATUS_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Switches:
    """
    What the connector says.

    Attributes:
        fault: Why nothing is known; "" where it is.
        is_enabled: Whether it uses customizations at all.
        methods: Whether it uses that of a point, by name.
    """

    fault: str = ""
    is_enabled: bool = False
    methods: dict[str, bool] = field(default_factory=dict)


def read(url: str, user: str, password: str) -> Switches:
    """
    Return the switches of the connector at *url* (http://host:8077); never raises for what the connector does.
    """
    page = f"{url.rstrip('/')}/status"
    try:
        answer = requests.get(
            page, auth=HTTPDigestAuth(user, password), timeout=STATUS_S, allow_redirects=False, stream=True
        )
        with answer:
            body = answer.raw.read(STATUS_BYTES, decode_content=True)
    except (requests.RequestException, OSError, ValueError) as error:
        return Switches(f"{page}: not reachable: {_reason(error)}")
    if answer.status_code in (401, 403):
        return Switches(f"{page}: the connector refuses this user and password; use those of its admin panel")
    if answer.status_code != 200:
        return Switches(f"{page}: HTTP status {answer.status_code}; is this the connector?")
    try:
        customizer = documents.parse(body)["app"]["customizer"]
        return Switches("", bool(customizer["enabled"]), _methods(customizer["methods"]))
    except (NotJsonError, LookupError, TypeError):
        return Switches(f"{page}: its answer has no app.customizer; a connector from 3.6.0 on has one")


def _methods(found: Json) -> dict[str, bool]:
    return {name: value is True for name, value in (found or {}).items()}


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {STATUS_S:g} s"
    if isinstance(error, requests.ConnectionError):
        return "nothing answers there"
    return str(error)
