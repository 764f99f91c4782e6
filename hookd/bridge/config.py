"""
What the bridge is told: where hookd is, the token, how long to wait, and what else to return.

It stands in a PHP file that returns an array, so that a web server that shows the connector's directory shows nothing
of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hookd.bridge.php import literal, names
from hookd.documents import Json
from hookd.points import DEFAULT_TIMEOUT_S, POINTS, RECORD_POINT
from hookd.settings import SiteSettings

FOLDER, CONFIG = "hookd", "config.php"
CONNECT_S = 0.5
LATER_S = 0.5  # after hookd's own limit: its reply to a hook that timed out is better than none
RECORD_LIMIT_S = 9.9  # between hookd's 9.8 s and the connector's own 10 s

UNCHANGED, OLD_ACTION = FALLBACKS = ("unchanged", "old")

_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
_URL = re.compile(r"https?://(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?(?:/[\w./~-]*)?|unix:/[^\s']+")
_TOKEN = re.compile(r"^\s*'token' => '((?:[^'\\]|\\.)*)',$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Config:
    """
    What the bridge is told.

    Attributes:
        url: Of hookd: http://host:port, https://…, or unix:/path.
        path: Of the site: "" for the default one.
        token: "" where none is needed.
        ca: File with the certificates that sign hookd's; "" for the system's.
        fallback: What the connector gets if hookd does not answer: its own values, or what the old action returns.
        limits_s: Seconds that the connector waits, by point.
    """

    url: str
    path: str
    token: str
    ca: str
    fallback: str
    limits_s: Mapping[str, float]

    def text(self) -> str:
        """Return the config as PHP reads it."""
        values: dict[str, Json] = {
            "url": self.url,
            "path": self.path,
            "token": self.token,
            "ca": self.ca,
            "fallback": self.fallback,
            "connect_s": CONNECT_S,
            "limit_s": DEFAULT_TIMEOUT_S + LATER_S,
            "limits": dict(self.limits_s),
        }
        lines = [f"    {literal(key)} => {literal(value)},\n" for key, value in values.items()]
        head = "<?php\n// Written by `hookd bridge install`, which writes it anew.\n"
        return f"{head}return array(\n{''.join(lines)});\n"


def limits(site: SiteSettings) -> dict[str, float]:
    """
    Return for each name of a point the seconds that the connector waits for hookd.
    """
    found: dict[str, float] = {}
    for point in POINTS.values():
        chosen = site.points.get(point.name)
        timeout_s = chosen.timeout_s if chosen and chosen.timeout_s else point.timeout_s
        found |= dict.fromkeys(names(point), round(timeout_s + LATER_S, 3))
    return {**found, RECORD_POINT: RECORD_LIMIT_S}


def address(bind: str) -> str:
    """
    Return the URL at which this machine reaches a hookd that listens at *bind*.
    """
    host, _, port = bind.rpartition(":")
    if bind.startswith("unix:"):
        return bind
    return f"http://{_THIS_MACHINE.get(host, host)}:{port}"


def check_url(url: str) -> str:
    """
    Return *url*, without a slash at its end, if the bridge can ask there.

    Raises:
        ValueError: It cannot; says what is expected.
    """
    if not _URL.fullmatch(url):
        raise ValueError(f"{url!r}: http://HOST:PORT, https://HOST[:PORT] or unix:/PATH is expected")
    return url.rstrip("/")


def token_in(directory: Path) -> str:
    """
    Return the token in the bridge's config; "" where there is none.
    """
    try:
        found = _TOKEN.search((directory / FOLDER / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return re.sub(r"\\(.)", r"\1", found.group(1)) if found else ""


def faults(directory: Path, site: SiteSettings) -> list[str]:
    """
    Return what in the bridge's config does not fit the settings of *site* any more.
    """
    file = directory / FOLDER / CONFIG
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        return [
            f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}. `hookd bridge install` writes it"
        ]
    faults = []
    if site.tokens and token_in(directory) not in site.tokens:
        faults.append(f"{file}: its token is none of the site's; `hookd bridge install` takes another")
    if f"'limits' => {literal(limits(site))},\n" not in text:
        faults.append(f"{file}: its limits are those of other settings; `hookd bridge install` writes them anew")
    return faults
