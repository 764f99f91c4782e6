"""
`http`: requests to the hosts that the operator lists for the site.

Everything that could lead elsewhere is decided here and not by a library: which hosts (`hosts`), which address
(`wiring`), where a redirect may go and what goes with it. No proxy, .netrc or certificate setting of the environment
counts. A secret is filled in on the way out and masked on the way back (`secrets`). An answer is read up to a limit, as
what it is unpacked.
"""

import logging
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException
from urllib.parse import urlencode, urljoin, urlsplit

import certifi
import requests
import urllib3
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError, HTTPError

from hookd import __version__, documents
from hookd.errors import ToolFailedError
from hookd.hosts import Entry, Target, is_listed, read_entry, read_url
from hookd.tools import secrets
from hookd.tools.call import Call, Json, Method, late
from hookd.tools.resolver import Resolver
from hookd.tools.secrets import Secrets
from hookd.tools.wiring import Adapter, Line

METHODS = ("get", "post", "put", "patch", "delete")
MAX_BYTES = 1_048_576  # of an answer, as it is unpacked
MAX_REDIRECTS = 5
MAX_HEADER_CHARACTERS = 8192
CHUNK_BYTES = 16_384

# What goes along to another host: what says how, never who.
KEPT_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent"})
# What the connection itself needs, and what would let a hook speak past it.
OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
    | {"accept-encoding", "proxy-authorization", "proxy-connection"}
)
# Names from outside choose a codec only among these: others are slow on purpose-made text, or are none for text.
CHARSETS = frozenset(
    {"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "windows-1251", "cp1251", "windows-1252"}
    | {"koi8-r", "cp866", "ibm866", "iso-8859-5", "iso-8859-15", "utf-16", "utf-16le", "utf-16be"}
)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, token
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MOVED = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER})
_REDIRECTS = _MOVED | {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
_DATA_WITH_JSON = "Hand over json=… for JSON, data=… for a form (a dict) or a text."


@dataclass(frozen=True, slots=True)
class _Order:
    """
    One request on the wire.

    Attributes:
        has_secret: Whether one stands in the body or the URL, and must not go to another host.
    """

    method: str
    target: Target
    headers: Mapping[str, str]
    body: bytes | None
    has_secret: bool


class Http:
    """
    The HTTP client of a process.

    Args:
        resolver: Looks names up.
        context: Verifies certificates; None trusts what certifi and the machine trust.
    """

    def __init__(self, resolver: Resolver | None = None, context: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver or Resolver()
        self._context = context
        # It would log URLs, in which there are secrets, where anybody asks for logs of libraries.
        logging.getLogger(urllib3.__name__).setLevel(logging.CRITICAL + 1)

    def methods(self) -> Mapping[str, Method]:
        """Return what hooks may call."""
        method = Method(self._request, _summary, pretend=lambda arguments: recorded({}))
        return dict.fromkeys(METHODS, method)

    def close(self) -> None:
        """
        End the threads that look names up.
        """
        self._resolver.close()

    def _request(self, call: Call) -> Json:
        filled = Secrets(call.site.directory, call.name)
        try:
            order = _order(call, filled)
            with Line(call, _entries(call.site.settings.http_hosts), self._resolver) as line:
                answer = self._follow(call, order, line, filled)
            if call.is_aborted:  # what came until then looks complete where it ended within the headers
                raise TimeoutError
            return answer
        except ToolFailedError as error:
            raise ToolFailedError(filled.mask(error.message), filled.mask(error.remedy)) from None
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            # Their texts hold URLs: said is only what kind of thing went wrong.
            raise _failure(call, error) from None

    def _follow(self, call: Call, order: _Order, line: Line, filled: Secrets) -> Json:
        for _ in range(MAX_REDIRECTS + 1):
            _check_listed(call, order.target)
            with requests.Session() as session:
                session.trust_env = False
                session.mount(f"{order.target.scheme}://", self._adapter(order.target, line))
                with self._send(call, session, order, line.wait_s) as response:
                    if response.status_code not in _REDIRECTS or "location" not in response.headers:
                        return _answer(call, order.target, response, filled)
                    order = _redirected(call, order, response)
        raise ToolFailedError(
            f"{call.name}: {order.target.host} is where it was after {MAX_REDIRECTS} redirects, and redirects again.",
            "Ask for the last address yourself.",
        )

    def _adapter(self, target: Target, line: Line) -> Adapter:
        if self._context is None:
            self._context = _trusting()
        return Adapter(target, lambda: line.dial(target), self._context)

    def _send(self, call: Call, session: requests.Session, order: _Order, wait_s: float) -> requests.Response:
        session.headers = CaseInsensitiveDict(
            {"User-Agent": f"hookd/{__version__}", "Accept-Encoding": "gzip, deflate"}
        )
        url = order.target.origin + order.target.rest
        request = requests.Request(order.method, url, headers=dict(order.headers), data=order.body)
        prepared = session.prepare_request(request)
        if urlsplit(prepared.url or "").hostname != order.target.host:
            raise ToolFailedError(f"{call.name}: the URL can be read in two ways.", "Write it plainly.")
        return session.send(prepared, stream=True, allow_redirects=False, timeout=wait_s)


def recorded(answer: Json) -> Json:
    """
    Return the answer that a test case has as {"status": 200, "headers": {…}, "json": … or "text": "…"}.

    Raises:
        ValueError: It is none; says what is expected.
    """
    if not isinstance(answer, dict) or not answer.keys() <= {"status", "headers", "json", "text"}:
        raise ValueError('an object with "status", "headers", "json" or "text" is expected')
    status, headers = answer.get("status", 200), answer.get("headers", {})
    if type(status) is not int or not 100 <= status < 1000:
        raise ValueError('"status" is a number such as 200')
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ValueError('"headers" is an object of texts')
    text = documents.dump(answer["json"]).decode() if "json" in answer else answer.get("text", "{}")
    if not isinstance(text, str):
        raise ValueError('"text" is a text; "json" is for the rest')
    return {
        "status": status,
        "headers": {name.lower(): value for name, value in headers.items()},
        "text": text,
        "host": "the recorded host",
    }


@lru_cache(1024)
def _entries(hosts: tuple[str, ...]) -> tuple[Entry, ...]:
    return tuple(map(read_entry, hosts))


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def _summary(arguments: Mapping[str, Json]) -> str:
    try:
        return read_url(arguments["url"]).entry
    except ValueError:
        return ""


# --- the request -------------------------------------------------------------------------------------------------


def _order(call: Call, filled: Secrets) -> _Order:
    arguments = call.arguments
    target = _target(call, arguments["url"])
    _check_listed(call, target)  # before any secret is read
    rest = filled.fill_url(target.rest)
    if arguments["params"]:
        rest += ("&" if "?" in rest else "?") + _form(call, "params", filled.fill_all(arguments["params"]))
    body, content_type = _body(call, filled)
    headers = {"Content-Type": content_type} if content_type else {}
    headers |= _headers(call, arguments["headers"] or {}, filled)
    has_secret = any(secrets.has_place(arguments[name]) for name in ("url", "params", "json", "data"))
    return _Order(call.method.upper(), replace(target, rest=rest), headers, body, has_secret)


def _target(call: Call, url: str) -> Target:
    try:
        target = read_url(url)
    except ValueError as error:
        remedy = 'Write https://host/path; texts in it go through urllib.parse.quote, or into params={"name": text}.'
        if "@" in str(error):
            remedy = 'Name and password go into headers={"Authorization": "Basic {secret:NAME}"}.'
        raise ToolFailedError(f"{call.name}: {error}.", remedy) from None
    if "#" in target.rest:
        target = replace(target, rest=target.rest.partition("#")[0])
    return replace(target, rest=target.rest if target.rest.startswith("/") else f"/{target.rest}")


def _check_listed(call: Call, target: Target) -> None:
    hosts = call.site.settings.http_hosts
    if not is_listed(_entries(hosts), target):
        raise ToolFailedError(
            f"{call.name}: this site may not reach {target.entry} over {target.scheme}.",
            f'The operator lists it: http_hosts = ["{target.entry}"], under [site] in hookd.toml, or in site.toml. '
            f"Listed: {', '.join(hosts) or 'none'}.",
        )


def _body(call: Call, filled: Secrets) -> tuple[bytes | None, str]:
    """The body and its content type."""
    json, data = call.arguments["json"], call.arguments["data"]
    if json is not None and data is not None:
        raise ToolFailedError(f"{call.name}: it is given json and data.", _DATA_WITH_JSON)
    if json is not None:
        return documents.dump(filled.fill_all(json)), "application/json"
    if isinstance(data, dict):
        return _form(call, "data", filled.fill_all(data)).encode(), "application/x-www-form-urlencoded"
    return (None, "") if data is None else (filled.fill(data).encode(), "text/plain; charset=utf-8")


def _form(call: Call, name: str, values: Mapping[str, Json]) -> str:
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict | list):
                raise ToolFailedError(
                    f"{call.name}: {name}: {key[:60]} is {'a dict' if isinstance(item, dict) else 'a list in a list'}.",
                    "A form has texts, numbers and lists of them; the rest goes into json=….",
                )
            if item is not None:
                pairs.append((key, str(item).lower() if isinstance(item, bool) else str(item)))
    return urlencode(pairs)


def _headers(call: Call, given: Mapping[str, Json], filled: Secrets) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ToolFailedError(
                f"{call.name}: {name[:60]!r} is no name of a header.", 'Write headers={"X-Api-Key": "{secret:NAME}"}.'
            )
        if name.lower() in OWN_HEADERS:
            raise ToolFailedError(f"{call.name}: the header {name} is not yours to set.", "Leave it out.")
        if type(value) not in (str, int):
            raise ToolFailedError(f"{call.name}: the header {name} is no text.", "Write str(value).")
        text = filled.fill(str(value))
        if _CONTROL.search(text) or len(text) > MAX_HEADER_CHARACTERS:
            raise ToolFailedError(
                f"{call.name}: the header {name} holds a line break or another control character, or is longer than "
                f"{MAX_HEADER_CHARACTERS} characters.",
                'Take them out: value.replace("\\n", " ").',
            )
        headers[name] = text.strip().encode().decode("latin-1")  # as http.client writes it: UTF-8 goes out
    return headers


# --- redirects ---------------------------------------------------------------------------------------------------


def _redirected(call: Call, order: _Order, response: requests.Response) -> _Order:
    location = _as_utf8(response.headers["location"]).strip()
    before = order.target
    try:
        found = read_url(urljoin(before.origin + before.rest, location))
    except ValueError as error:
        raise ToolFailedError(
            f"{call.name}: {before.host} redirects to what is no address: {error}.", "Ask whoever runs it."
        ) from None
    target = replace(found, rest=found.rest.partition("#")[0])
    method, headers, body = order.method, dict(order.headers), order.body
    if response.status_code in _MOVED and method != "GET":
        method, body = "GET", None
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    if target.origin != before.origin:
        headers = {name: value for name, value in headers.items() if name.lower() in KEPT_HEADERS}
        if body is not None and order.has_secret:
            raise ToolFailedError(
                f"{call.name}: {before.host} redirects a request with a secret in it to {target.host}.",
                f"If that is right, send it to {target.host} at once.",
            )
    return _Order(method, target, headers, body, order.has_secret)


# --- the answer --------------------------------------------------------------------------------------------------


def _answer(call: Call, target: Target, response: requests.Response, filled: Secrets) -> Json:
    data = filled.mask_bytes(_read(call, target, response))
    headers = {name.lower(): filled.mask(_as_utf8(value)) for name, value in response.headers.items()}
    text = data.decode(_charset(headers.get("content-type", "")), "replace")
    return {
        "status": response.status_code,
        "headers": headers,
        "text": filled.mask(text.removeprefix("\ufeff")),
        "host": target.entry,
    }


def _read(call: Call, target: Target, response: requests.Response) -> bytes:
    parts, size = [], 0
    for part in response.raw.stream(CHUNK_BYTES, decode_content=True):
        size += len(part)
        if size > MAX_BYTES:
            raise ToolFailedError(
                f"{call.name}: the answer of {target.host} is longer than {MAX_BYTES} bytes, unpacked.",
                "Ask for less at a time: most APIs have a limit or a page.",
            )
        parts.append(part)
    return b"".join(parts)


def _as_utf8(value: str) -> str:
    """A header's text, which http.client reads as Latin-1, as what it mostly is where it is not ASCII."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _charset(content_type: str) -> str:
    found = re.search(r"charset=[\"']?([\w-]+)", content_type, re.IGNORECASE)
    name = found[1].lower() if found else ""
    return name if name in CHARSETS else "utf-8"


def _failure(call: Call, error: Exception) -> ToolFailedError:
    host = _summary(call.arguments)
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ToolFailedError(
                f"{call.name}: the certificate of {host} is not accepted: {cause.verify_message}.",
                "Certificates of an authority of one's own are trusted where the machine trusts it.",
            )
    if call.is_aborted or any(isinstance(cause, TimeoutError) for cause in causes):
        return late(call, host)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ToolFailedError(f"{call.name}: {host} speaks no TLS that is understood here.", "Is the port right?")
    if any(isinstance(cause, DecodeError) for cause in causes):
        return ToolFailedError(f"{call.name}: the answer of {host} cannot be unpacked.", "Ask whoever runs it.")
    known = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.errno), None)
    what = known or "what came back is no HTTP, or ended too early"
    return ToolFailedError(
        f"{call.name}: {host} cannot be reached: {what}.", "Deal with it: try: … except Exception: …"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """*error* and what it was made of; libraries wrap errors in one another in three ways."""
    waiting: list[object] = [error]
    seen: list[object] = []
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in seen:
            seen.append(cause)
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
