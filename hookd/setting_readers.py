"""
What values settings may have: each reader turns a TOML value into ours, or raises ValueError saying what is allowed.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from hookd.hosts import is_loopback, read_entry
from hookd.hours import parse_holidays, parse_hours

MIN_TOKEN_CHARACTERS = 16  # 16 random characters of base64 are 96 bits: past guessing over HTTP
MAX_TIMEOUT_S = 30.0


def string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string is expected")
    return value


def bind(value: Any) -> str:
    bind = string(value)
    if bind.startswith("unix:") and len(bind) > len("unix:"):
        return bind
    host, colon, port = bind.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError('"host:port" (port 1 to 65535) or "unix:/path" is expected')
    return bind


def path(value: Any) -> Path:
    if not string(value):
        raise ValueError("a path is expected")
    return Path(value)


def absolute(value: Any) -> Path:
    path = Path(string(value))
    if not path.is_absolute() or ".." in path.parts or path == Path("/"):
        raise ValueError('an absolute path is expected, such as "/var/spool/asterisk/monitor"')
    return path


def absolutes(value: Any) -> tuple[Path, ...]:
    if not isinstance(value, list):
        raise ValueError('a list of absolute paths is expected, such as ["/var/spool/asterisk/monitor"]')
    return tuple(absolute(path) for path in value)


def integer(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"an integer from {low} to {high} is expected")
        return value

    return read


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false is expected")
    return value


def choice(*names: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in names:
            raise ValueError("one of " + ", ".join(f'"{name}"' for name in names) + " is expected")
        return str(value)

    return read


def matching(pattern: str, expected: str) -> Callable[[Any], str]:
    """Return the reader of a string that *pattern* describes; *expected* says so to whoever wrote another one."""

    def read(value: Any) -> str:
        if not re.fullmatch(pattern, string(value)):
            raise ValueError(expected)
        return str(value)

    return read


def tokens(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise ValueError("a list of strings is expected")
    for token in value:
        if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError(
                f"a token has at least {MIN_TOKEN_CHARACTERS} printable ASCII characters without spaces; "
                'make one: python3 -c "import secrets; print(secrets.token_urlsafe(24))"'
            )
    return tuple(value)


def http_hosts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(host, str) for host in value):
        raise ValueError('a list of hosts is expected, such as ["api.example.org", "*.example.org", "10.0.0.5:8080"]')
    for host in value:
        try:
            read_entry(host)
        except ValueError as error:
            raise ValueError(f"{host!r}: {error}") from error
    return tuple(value)


def zone(value: Any) -> str:
    try:
        ZoneInfo(string(value))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError('a zone of the tz database is expected, such as "Europe/Moscow"') from error
    return str(value)


region = matching(r"[A-Z]{2}", 'a country in two capital letters is expected, such as "RU"')


area_code = matching(r"\d{0,6}", 'up to 6 digits in quotes are expected, such as "343"')


def hours(value: Any) -> dict[str, str]:
    parse_hours(value)
    return dict(value)


def holidays(value: Any) -> tuple[str, ...]:
    return tuple(sorted(day.isoformat() for day in parse_holidays(value)))


app_id = matching(
    r"(?:(?:local|app)\.[A-Za-z0-9.]{1,100})?",
    'the client_id of an app is expected, such as "local.65f0a1b2c3d4e5.12345678"',
)


app_secret = matching(
    r"(?:[\x21-\x7e]{16,200})?",
    "the client_secret of an app is expected: 16 to 200 printable characters without spaces",
)


def webhook(value: Any) -> str:
    if not string(value):
        return ""
    try:
        parts = urlsplit(value)
        is_hidden = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        is_hidden = False
    if not (is_hidden and parts.hostname and re.fullmatch(r"(?:/[^/?#]+)*/rest/[0-9]{1,9}/[A-Za-z0-9]+/?", parts.path)):
        raise ValueError("an address such as https://acme.bitrix24.com/rest/1/SECRET/ is expected, with https")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/"


def public_url(value: Any) -> str:
    if not re.fullmatch(r"(?:https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?)?", string(value)):
        raise ValueError("an address such as https://hooks.example.com is expected")
    return str(value).rstrip("/")


def methods(value: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if not is_list or not all(re.fullmatch(r"[A-Za-z0-9_.]*\*?", one) and one for one in value):
        raise ValueError('a list of methods is expected, such as ["crm.*", "user.get"]')
    return tuple(value)


def timeout(value: Any) -> float:
    if type(value) not in (int, float) or not 0.05 <= value <= MAX_TIMEOUT_S:
        raise ValueError(f"seconds from 0.05 to {MAX_TIMEOUT_S:g} are expected")
    return float(value)


def seconds(low: float, high: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"seconds from {low:g} to {high:.15g} are expected")
        return float(value)

    return read


def on_error(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a table with the reply's data is expected, such as { result = false }")
    return value
