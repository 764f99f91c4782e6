"""
A Bitrix24 of our own: portals, their REST methods, and both authorization servers, on one port of the loopback.

It behaves as the vendor's reference says: tokens expire and are renewed once each, requests above the limit are
refused, a renamed portal redirects, events are sent once whatever the answer, a widget is a form that the
employee's browser submits into an iframe. It writes down every contact, so that a test can prove that there was none.

    /oauth-info/…, /oauth-tech/…     the authorization servers (`addresses`)
    /portal/NAME/rest/METHOD         methods, with a token
    /portal/NAME/rest/1/SECRET/…     methods, by an incoming webhook
    /portal/NAME/page?…              the page around a widget
    /portal/NAME/app?…               the page around the app itself, or around its installer as long as that is not over
    /portal/NAME/command             what the vendor's script in a frame asked the page around it for
"""

import html
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

from hookd.portal import codes
from hookd.portal.forms import parse_fields
from tests.portal import payloads

APP_ID, APP_SECRET = "local.65f0a1b2c3d4e5.12345678", "app-secret-0123456789abcdef0123456789abcdef0123"
TOKEN_S = 3600.0
BURST, SINKS_A_SECOND = 50.0, 2.0
PAGE = 50
PAGE_SCRIPT = Path(__file__).with_name("page.js")
SERVERS = {"oauth.bitrix.info": "oauth-info", "oauth.bitrix24.tech": "oauth-tech"}
# These events bring a refresh token, says the reference.
WITH_REFRESH = ("ONAPPINSTALL", "ONAPPUPDATE", "ONAPPTEST", "ONOFFLINEEVENT")
WITHOUT_TOKENS = ("ONAPPUNINSTALL", "ONAPPMETHODCONFIRM")

Json = Any
Method = Callable[["Account", int, dict[str, Json]], Json]


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, error: str, description: str = "", **more: Json) -> None:
        super().__init__(error)
        self.status = status
        self.document = {"error": error, "error_description": description, **more}


@dataclass
class Grant:
    """
    What a token is good for.
    """

    member_id: str
    user_id: int
    app_id: str
    expires_at: float


@dataclass
class Issued(Grant):
    """
    A pair of tokens.
    """

    access: str
    refresh: str


@dataclass
class Account:
    """
    One portal.

    Attributes:
        name: In its addresses; `rename` changes it.
        host: The same; the loopback has two names.
        users: Id → whether an administrator.
        webhooks: Secret of an incoming webhook → user.
        items: Type of object → id → its fields.
        bound: What event.bind and placement.bind were asked for.
        types: Numbers of the custom types of objects.
        is_finished: Whether the app's installation is over: its page said so, or it has none.
        commands: What the vendor's script asked the portal's pages for, and with what.
    """

    name: str
    host: str = "127.0.0.1"
    member_id: str = field(default_factory=lambda: secrets.token_hex(16))
    application_token: str = field(default_factory=lambda: secrets.token_hex(16))
    server: str = "oauth.bitrix.info"
    users: dict[int, bool] = field(default_factory=lambda: {1: True, 5: False})
    webhooks: dict[str, int] = field(default_factory=dict)
    items: dict[str, dict[int, dict[str, Json]]] = field(default_factory=dict)
    bound: list[dict[str, Json]] = field(default_factory=list)
    types: list[str] = field(default_factory=lambda: ["183"])
    old_names: list[str] = field(default_factory=list)
    status: str = "L"
    scope: str = "crm,placement,telephony"
    level: float = 0.0
    level_at: float = 0.0
    calls: list[str] = field(default_factory=list)  # of methods, in order
    is_finished: bool = False
    commands: list[tuple[str, Json]] = field(default_factory=list)

    def count(self) -> None:
        """Count a request, and refuse it above the limit."""
        now = time.monotonic()
        self.level = max(0.0, self.level - SINKS_A_SECOND * (now - self.level_at)) + 1
        self.level_at = now
        if self.level > BURST:
            self.level = BURST
            raise Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")


class Bitrix24:
    """
    The server; a context manager that starts and stops it.

    Attributes:
        contacts: Every request that came, as "METHOD path" without the query.
        slow_s: How long each answer takes.
        failures: Method → the refusal that its next calls get, one each.
    """

    def __init__(self) -> None:
        self.contacts: list[str] = []
        self.slow_s = 0.0
        self.failures: dict[str, list[Refusal]] = {}
        self.renewals = 0
        self._accounts: dict[str, Account] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._revoked: set[str] = set()
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> "Bitrix24":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def addresses(self) -> dict[str, str]:
        """Host of each authorization server → where it is here."""
        return {host: f"{self.url}/{path}" for host, path in SERVERS.items()}

    @property
    def accounts(self) -> list[Account]:
        """All portals."""
        return list(self._accounts.values())

    # ---- portals -------------------------------------------------------------------------------------------------

    def add(self, name: str, **options: Any) -> Account:
        """Add a portal."""
        account = Account(name, **options)
        self._accounts[name] = account
        return account

    def rename(self, account: Account, name: str) -> None:
        """Give a portal another address; the old one redirects."""
        with self._lock:
            account.old_names.append(account.name)
            account.name = name
            self._accounts[name] = account

    def endpoint(self, account: Account) -> str:
        return f"http://{self.domain(account)}/portal/{account.name}/rest/"

    def domain(self, account: Account) -> str:
        """Return the portal's host, with the port."""
        return f"{account.host}:{self._server.server_address[1]}"

    def issue(
        self, account: Account, user_id: int = 1, *, app_id: str = APP_ID, lasts_s: float = TOKEN_S, access: str = ""
    ) -> Issued:
        """Make a pair of tokens; *access* may be one that the reference has."""
        grant = Grant(account.member_id, user_id, app_id, time.time() + lasts_s)
        with self._lock:
            access, refresh = access or secrets.token_hex(35), secrets.token_hex(35)
            self._access[access], self._refresh[refresh] = grant, grant
        return Issued(grant.member_id, grant.user_id, grant.app_id, grant.expires_at, access, refresh)

    def expire_all(self) -> None:
        """Let every access token that was issued expire now."""
        with self._lock:
            for grant in self._access.values():
                grant.expires_at = 0.0

    def forget_all(self) -> None:
        """Let the refresh tokens be worth nothing, as when the app was removed."""
        with self._lock:
            self._refresh.clear()

    def remove(self, account: Account) -> None:
        """Remove the app from a portal: its tokens, and all that it bound."""
        with self._lock:
            gone = [token for token, grant in self._access.items() if grant.member_id == account.member_id]
            self._revoked.update(gone)
            for token in gone:
                del self._access[token]
            self._refresh = {
                token: grant for token, grant in self._refresh.items() if grant.member_id != account.member_id
            }
            account.bound.clear()
            account.is_finished = False

    # ---- what a portal posts -------------------------------------------------------------------------------------

    def auth(self, account: Account, user_id: int | None = 1, *, with_refresh: bool = False) -> dict[str, Json]:
        """Return the `auth` of an event; without tokens where no user is behind it."""
        found: dict[str, Json] = {
            "domain": self.domain(account),
            "client_endpoint": self.endpoint(account),
            "server_endpoint": f"https://{account.server}/rest/",
            "member_id": account.member_id,
            "application_token": account.application_token,
            "scope": account.scope,
            "status": account.status,
        }
        if user_id is None:
            return found
        issued = self.issue(account, user_id)
        found |= {"access_token": issued.access, "expires_in": int(TOKEN_S), "user_id": user_id}
        return found | ({"refresh_token": issued.refresh} if with_refresh else {})

    def event(self, account: Account, code: str, data: Json = None, **options: Any) -> dict[str, Json]:
        """Return the fields of an event."""
        user_id = None if code in WITHOUT_TOKENS else options.pop("user_id", 1)
        auth = self.auth(account, user_id, with_refresh=code in WITH_REFRESH)
        fields = {"event": code, "event_handler_id": 71, "data": data, "ts": int(time.time()), "auth": auth}
        return {**fields, **options}

    def send(self, url: str, fields: dict[str, Json]) -> requests.Response:
        """Post an event, once, whatever the answer."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Bitrix24 Webhook Engine"}
        return requests.post(url, data=payloads.form(fields), headers=headers, timeout=30, allow_redirects=False)

    def install(self, url: str, account: Account, **options: Any) -> requests.Response:
        """Install the app: the event that says so."""
        data = {"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "ru"}
        account.is_finished = True
        return self.send(url, self.event(account, "ONAPPINSTALL", data, **options))

    def uninstall(self, url: str, account: Account, *, clean: int = 0) -> requests.Response:
        """Remove the app, and send the event that says so."""
        self.remove(account)
        return self.send(url, self.event(account, "ONAPPUNINSTALL", {"LANGUAGE_ID": "ru", "CLEAN": clean}))

    def widget(
        self, account: Account, code: str, options: Json = None, *, user_id: int = 5, is_old: bool = False
    ) -> dict[str, str]:
        """Return the fields of a placement, as the page around it has them."""
        issued = self.issue(account, user_id)
        fields = {
            "DOMAIN": self.domain(account),
            "PROTOCOL": "0",  # http, as this server speaks it
            "LANG": "ru",
            "APP_SID": secrets.token_hex(16),
            "AUTH_ID": issued.access,
            "AUTH_EXPIRES": str(int(TOKEN_S)),
            "REFRESH_ID": issued.refresh,
            "member_id": account.member_id,
            "status": account.status,
            "PLACEMENT": code,
        }
        if not is_old:
            fields |= {
                "SERVER_ENDPOINT": f"https://{account.server}/rest/",
                "APPLICATION_TOKEN": account.application_token,
                "APPLICATION_SCOPE": account.scope,
            }
        return fields | ({"PLACEMENT_OPTIONS": json.dumps(options)} if options else {})

    def open(self, handler: str, fields: dict[str, str]) -> requests.Response:
        """Open a widget without a browser: what its form would post."""
        query, body = payloads.split(fields)
        return requests.post(f"{handler}?{urlencode(query)}", data=body, timeout=30, allow_redirects=False)

    def page(
        self, account: Account, handler: str, fields: dict[str, str], *, stays: bool = False, is_mute: bool = False
    ) -> str:
        """
        Return the page around a widget: a form that submits itself into an iframe, and what the script in there asks.

        Args:
            stays: Whether the page stays when the app is installed; a portal's goes on to the app.
            is_mute: Whether it answers nothing.
        """
        query, body = payloads.split(fields)
        base, grant = f"/portal/{account.name}", self._access.get(fields["AUTH_ID"])
        init = {name: value for name, value in fields.items() if name in payloads.TOLD_TO_THE_SCRIPT}
        about = {
            "init": {
                **init,
                "AUTH_EXPIRES": int(fields["AUTH_EXPIRES"]),
                "MEMBER_ID": account.member_id,
                "PATH": f"{base}/rest",
                "IS_ADMIN": grant is not None and account.users.get(grant.user_id, False),
                "INSTALL": not account.is_finished,
                "PLACEMENT_OPTIONS": json.loads(fields.get("PLACEMENT_OPTIONS", "[]")),
            },
            "session": fields["APP_SID"],
            "log": f"{base}/command",
            "stays": stays,
            "isMute": is_mute,
        }
        frame = f"{fields['DOMAIN']}|{fields['PROTOCOL']}|{fields['APP_SID']}"
        told = json.dumps(about).replace("<", "\\u003c")
        inputs = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in body.items()
        )
        return (
            f'<!doctype html><meta charset="utf-8"><title>Portal</title>'
            f'<iframe name="{html.escape(frame)}" style="width:100%;height:600px;border:0" '
            f'allow="geolocation; microphone; camera; autoplay"></iframe>'
            f'<form method="post" action="{html.escape(handler)}?{html.escape(urlencode(query))}" '
            f'target="{html.escape(frame)}">{inputs}</form>'
            f"<script>const PORTAL = {told};{PAGE_SCRIPT.read_text()}</script>"
        )

    def obey(self, name: str, fields: dict[str, Json]) -> None:
        """Write down what the vendor's script asks the page around it for."""
        account = self._accounts[name]
        account.commands.append((fields["command"], json.loads(fields["parameters"] or "{}")))
        account.is_finished |= fields["command"] == "setInstallFinish"

    # ---- answers -------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, fields: dict[str, Json]) -> tuple[int, dict[str, str], Json]:
        """Return status, headers and document for a request; *fields* are those of its query or body."""
        kind, _, rest = path.lstrip("/").partition("/")
        try:
            if kind in SERVERS.values():
                return 200, {}, self._authorize(kind, rest, fields)
            if kind == "portal":
                return self._portal(rest, fields)
        except Refusal as refusal:
            return refusal.status, {}, refusal.document
        return 404, {}, {"error": "NOT_FOUND"}

    def _authorize(self, server: str, path: str, fields: dict[str, Json]) -> Json:
        if path == "oauth/token/":
            return self._renew(server, fields)
        if path != "rest/app.info/":
            raise Refusal(404, "NOT_FOUND")
        grant = self._grant(fields.get("auth", ""))
        account = self._account(grant.member_id)
        if SERVERS[account.server] != server:
            raise Refusal(401, "invalid_token", "Unable to get application by token")
        install = {
            "installed": True,
            "version": 1,
            "status": account.status,
            "scope": account.scope,
            "domain": self.domain(account),
            "uri": self.endpoint(account).removesuffix("rest/"),
            "client_endpoint": self.endpoint(account),
            "member_id": account.member_id,
            "member_type": "RU",
        }
        result = {"client_id": grant.app_id, "scope": account.scope, "expires": "2030-01-01T00:00:00+00:00"}
        return {"result": {**result, "install": install, "user_id": grant.user_id}, "time": {}}

    def _renew(self, server: str, fields: dict[str, Json]) -> Json:
        if fields.get("client_id") != APP_ID or fields.get("client_secret") != APP_SECRET:
            raise Refusal(401, "invalid_client")
        with self._lock:
            grant = self._refresh.pop(fields.get("refresh_token", ""), None)
        if grant is None:
            raise Refusal(400, "invalid_grant")
        account = self._account(grant.member_id)
        if SERVERS[account.server] != server:
            raise Refusal(400, "invalid_grant")
        self.renewals += 1
        issued = self.issue(account, grant.user_id)
        return {
            "access_token": issued.access,
            "refresh_token": issued.refresh,
            "expires": int(issued.expires_at),
            "expires_in": int(TOKEN_S),
            "client_endpoint": self.endpoint(account),
            "server_endpoint": f"https://{account.server}/rest/",
            "domain": account.server,
            "member_id": account.member_id,
            "scope": account.scope,
            "status": account.status,
            "user_id": grant.user_id,
        }

    def _portal(self, path: str, fields: dict[str, Json]) -> tuple[int, dict[str, str], Json]:
        name, _, rest = path.partition("/")
        account = self._accounts.get(name)
        if account is None:
            raise Refusal(404, "NOT_FOUND")
        if name in account.old_names:
            return 302, {"Location": f"{self.url}/portal/{account.name}/{rest}"}, None
        parts = rest.removeprefix("rest/").strip("/").split("/")
        if len(parts) == 3:
            user_id = account.webhooks.get(parts[1])
            if user_id is None:
                raise Refusal(401, "INVALID_CREDENTIALS", "Invalid request credentials")
        else:
            grant = self._grant(fields.pop("auth", ""))
            if grant.member_id != account.member_id:
                raise Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data")
            user_id = grant.user_id
        with self._lock:
            account.count()
            return 200, {}, self._call(account, user_id, parts[-1].removesuffix(".json"), fields)

    def _call(self, account: Account, user_id: int, method: str, fields: dict[str, Json]) -> Json:
        account.calls.append(method)
        if method == "batch":
            self._fail(method)
            return {"result": self._batch(account, user_id, fields), "time": _time()}
        return {**self._one(account, user_id, method, fields), "time": _time()}

    def _fail(self, method: str) -> None:
        """Refuse *method*, if its next call is to be refused."""
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    def _one(self, account: Account, user_id: int, method: str, fields: dict[str, Json]) -> dict[str, Json]:
        self._fail(method)
        found = METHODS.get(method)
        if found is not None:
            return {"result": found(account, user_id, fields)}
        kind, _, verb = method.rpartition(".")
        if verb not in ("get", "list", "add", "update") or not kind.startswith("crm."):
            raise Refusal(404, "ERROR_METHOD_NOT_FOUND", "Method not found!")
        items = account.items.setdefault(kind, {})
        if verb == "list":
            start = int(fields.get("start", 0))
            page = list(items.values())[start : start + PAGE]
            more = {"next": start + PAGE} if start + PAGE < len(items) else {}
            return {"result": page, "total": len(items), **more}
        if verb == "add":
            number = max(items, default=0) + 1
            items[number] = {**fields.get("fields", {}), "ID": str(number)}
            return {"result": number}
        number = int(fields.get("id", fields.get("ID", 0)) or 0)
        if number not in items:
            raise Refusal(400, "", "Not found")
        if verb == "update":
            items[number] |= fields.get("fields", {})
            return {"result": True}
        return {"result": items[number]}

    def _batch(self, account: Account, user_id: int, fields: dict[str, Json]) -> Json:
        commands = fields.get("cmd", {})
        if len(commands) > PAGE:
            raise Refusal(400, "ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
        results: dict[str, Json] = {}
        errors: dict[str, Json] = {}
        for name, line in commands.items():
            method, _, query = line.partition("?")
            try:
                if method == "batch":
                    raise Refusal(405, "ERROR_BATCH_METHOD_NOT_ALLOWED")
                account.calls.append(method)
                parameters = _filled(parse_fields(query.encode()), results)
                results[name] = self._one(account, user_id, method, parameters)["result"]
            except Refusal as refusal:
                errors[name] = refusal.document
                if int(fields.get("halt", 0)):
                    break
        # PHP's empty arrays are lists.
        return {"result": results or [], "result_error": errors or [], "result_total": [], "result_next": []}

    def _grant(self, token: Json) -> Grant:
        with self._lock:
            grant, is_revoked = self._access.get(token), token in self._revoked
        if is_revoked:
            raise Refusal(401, "invalid_token", "Unable to get application by token")
        if grant is None:
            raise Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data")
        if grant.expires_at < time.time():
            raise Refusal(401, "expired_token", "The access token provided has expired.")
        return grant

    def _account(self, member_id: str) -> Account:
        return next(account for account in self._accounts.values() if account.member_id == member_id)


def _bind(account: Account, user_id: int, fields: dict[str, Json]) -> Json:
    if not account.users.get(user_id):
        raise Refusal(403, "ACCESS_DENIED", "Access denied!")
    fields = {name.lower(): value for name, value in fields.items()}
    code = str(fields.get("event") or fields.get("placement") or "")
    if codes.event(code) is None and codes.placement(code) is None:
        word = "EVENT" if "event" in fields else "PLACEMENT"
        raise Refusal(400, f"ERROR_{word}_NOT_FOUND", f"{word.title()} not found")
    if not str(fields.get("handler", "")).startswith(("https://", "http://127.0.0.1:")):
        raise Refusal(400, "ERROR_WRONG_HANDLER_URL", "Wrong handler URL")
    row = {"code": code.upper(), "handler": str(fields.get("handler", "")), "title": _title(fields)}
    if [one for one in account.bound if (one["code"], one["handler"]) == (row["code"], row["handler"])]:
        raise Refusal(400, "ERROR_CORE", "Unable to set event handler: Handler already binded")
    account.bound.append(row)
    return True


def _title(fields: dict[str, Json]) -> Json:
    return {lang: text["TITLE"] for lang, text in fields.get("lang_all", {}).items()} or fields.get("title", "")


def _unbind(account: Account, user_id: int, fields: dict[str, Json]) -> Json:
    fields = {name.lower(): value for name, value in fields.items()}
    code = str(fields.get("event") or fields.get("placement") or "").upper()
    handler = fields.get("handler")
    kept = [row for row in account.bound if row["code"] != code or handler not in (None, row["handler"])]
    count, account.bound = len(account.bound) - len(kept), kept
    return {"count": count}


METHODS: Mapping[str, Method] = {
    "profile": lambda account, user_id, _: {"ID": str(user_id), "ADMIN": account.users.get(user_id, False)},
    "user.current": lambda account, user_id, _: {"ID": str(user_id), "NAME": f"User {user_id}"},
    "app.info": lambda account, user_id, _: {"ID": 1, "CODE": APP_ID, "STATUS": account.status, "INSTALLED": True},
    "event.bind": _bind,
    "event.unbind": _unbind,
    "event.get": lambda account, user_id, _: [
        {"event": row["code"], "handler": row["handler"], "auth_type": "0", "offline": "0"}
        for row in account.bound
        if codes.event(row["code"])
    ],
    "placement.bind": _bind,
    "placement.unbind": _unbind,
    "placement.get": lambda account, user_id, _: [
        {"placement": row["code"], "userId": "0", "handler": row["handler"], "title": row["title"]}
        for row in account.bound
        if codes.placement(row["code"])
    ],
    "placement.list": lambda account, user_id, _: [
        code.replace("<id>", number)
        for code in codes.placements()
        for number in (account.types if "<id>" in code else [""])
    ],
    "crm.item.list": lambda account, user_id, _: {"items": [{"id": 1}, {"id": 2}]},
    "test.broken": lambda account, user_id, _: {"x": "y" * 5_000_000},
}


def _filled(value: Json, results: dict[str, Json]) -> Json:
    """*value* with `$result[name][key]…` replaced by what was answered."""
    if isinstance(value, dict):
        return {key: _filled(item, results) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("$result["):
        found: Json = results
        for key in value.removeprefix("$result[").removesuffix("]").split("]["):
            found = found[int(key)] if isinstance(found, list) else found[key]
        return found
    return value


def _time() -> Json:
    now = time.time()
    return {"start": now, "finish": now, "duration": 0.01, "operating": 0.1, "operating_reset_at": int(now) + 600}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers that hang up: tests have them do so."""


def _handler(portal: Bitrix24) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            if parts.path.endswith(("/page", "/app")):
                portal.contacts.append(f"GET {parts.path}")
                self._send(200, {"Content-Type": "text/html; charset=utf-8"}, _page(portal, parts.path, query).encode())
                return
            self._answer("GET", parts.path, query)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fields = json.loads(body) if "json" in self.headers.get("Content-Type", "") else parse_fields(body)
            path = urlsplit(self.path).path
            if path.endswith("/command"):
                portal.obey(path.split("/")[2], fields)
                self._send(200, {}, b"")
                return
            self._answer("POST", path, fields)

        def _answer(self, method: str, path: str, fields: dict[str, Json]) -> None:
            portal.contacts.append(f"{method} {path}")
            time.sleep(portal.slow_s)
            status, headers, document = portal.answer(method, path, fields)
            body = b"" if document is None else json.dumps(document).encode()
            self._send(status, {"Content-Type": "application/json; charset=utf-8", **headers}, body)

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _page(portal: Bitrix24, path: str, query: dict[str, str]) -> str:
    """
    The page at *path*: around a widget, with code, handler, options (JSON) and user in the address; or around the app.
    """
    account = portal._accounts[path.split("/")[2]]
    options = json.loads(query.get("options", "null"))
    handler = query["handler"]
    if path.endswith("/app") and not account.is_finished:
        handler = query["installer"]
    fields = portal.widget(account, query.get("code", "DEFAULT"), options, user_id=int(query.get("user", 5)))
    changes = {name: value for name, value in query.items() if name in fields}
    fields = {**fields, "LANG": query.get("lang", "ru"), **changes}
    return portal.page(account, handler, fields, stays="stays" in query, is_mute="mute" in query)
