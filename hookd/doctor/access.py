"""
Who can ask: tokens, a proxy in front, and the server that should be listening.
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookd.doctor.finding import Finding, failure, ok, warning
from hookd.service import Service

WEB_PORTS = (80, 443, 8443)
LISTENING = "0A"  # TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp writes it
ASK_S = 3.0


def tokens(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether who may ask is settled."""
    settings = service.settings
    open_sites = [site.name for site in service.sites.all() if not site.settings.tokens]
    if not open_sites:
        return [ok(f"bind = {settings.bind}; every site asks for a token")]
    if settings.is_loopback:
        return [ok(f"bind = {settings.bind}: only this machine can ask; without a token: {', '.join(open_sites)}")]
    what = f"bind = {settings.bind} can be reached from other machines; without a token: {', '.join(open_sites)}"
    return [failure(what, "Set tokens or tokens_file in the site.toml of each.")]


def proxy(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether a web server of this machine may make strangers look like this machine."""
    settings = service.settings
    if all(site.settings.tokens for site in service.sites.all()) and settings.operator_tokens:
        return [ok("tokens are asked for, whoever is in front")]
    ports = sorted({port for port in listening_ports() if port in WEB_PORTS})
    if not ports:
        return [ok(f"nobody listens on {', '.join(map(str, WEB_PORTS))} of this machine")]
    shown = ", ".join(map(str, ports))
    what = f"a web server listens on port {shown}; if it hands on to hookd, all the world looks like this machine"
    return [warning(what, "Set tokens under [site] and operator_tokens, or make sure that it does not.")]


def listening_ports(files: tuple[Path, ...] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))) -> list[int]:
    """
    Return the TCP ports of this machine that somebody listens on.
    """
    ports = []
    for file in files:
        try:
            rows = [line.split() for line in file.read_text("ascii").splitlines()[1:]]
        except OSError:
            continue
        ports += [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTENING]
    return ports


def server(service: Service, environment: Mapping[str, str]) -> list[Finding]:
    """Whether the server is there, is this installation's, and is ready."""
    bind = service.settings.bind
    token = next(iter(service.settings.operator_tokens), "")
    try:
        status, document = _ask(bind, token)
    except (ConnectionError, FileNotFoundError):
        return [warning(f"nobody listens on {bind}", "Start it: hookd serve")]
    except (OSError, http.client.HTTPException, ValueError) as error:
        return [failure(f"{bind} is taken by a program that is not hookd: {error}", "Stop it, or set another bind.")]
    own, its = os.path.realpath(service.settings.state), document.get("state_directory")
    if its not in (own, None):
        what = f"{bind} is taken by the hookd of another installation: its state is {its}, this one's {own}"
        return [failure(what, "Stop it, or set another bind.")]
    if status != http.HTTPStatus.OK:
        reasons = "; ".join(document.get("reasons", [])) or f"status {status}"
        return [failure(f"{bind} is not ready: {reasons}", "See its log.")]
    if its is None:
        remedy = "Restart it if it is older than this command; on an address that others reach set operator_tokens."
        return [warning(f"a hookd answers on {bind} and is ready, but does not say of which installation", remedy)]
    return [ok(f"{bind} is ready")]


def _ask(bind: str, token: str) -> tuple[int, dict[str, Any]]:
    """Ask without the token first: whoever else listens there must not get to see it."""
    status, document = _get(bind, {"Host": "localhost"})
    if document.get("state") not in ("ready", "not_ready"):
        raise ValueError("its /readyz is not ours")
    if "reasons" in document or not token:
        return status, document
    return _get(bind, {"Host": "localhost", "Authorization": f"Bearer {token}"})


def _get(bind: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    connection = _Connection(bind)
    try:
        connection.request("GET", "/readyz", headers=dict(headers))
        response = connection.getresponse()
        document = json.loads(response.read())
    finally:
        connection.close()
    return response.status, document if isinstance(document, dict) else {}


class _Connection(http.client.HTTPConnection):
    """A connection to what `bind` names: "host:port" or "unix:/path"."""

    def __init__(self, bind: str) -> None:
        super().__init__("localhost", timeout=ASK_S)
        self._bind = bind

    def connect(self) -> None:
        if self._bind.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(ASK_S)
            self.sock.connect(self._bind.removeprefix("unix:"))
            return
        host, _, port = self._bind.rpartition(":")
        host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))
        self.sock = socket.create_connection((host, int(port)), ASK_S)
