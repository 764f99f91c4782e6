"""
The tool `http`: what it sends and what comes back; where it must never get to; what hangs, floods and lies.
"""

import contextlib
import gzip
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hookd import hosts
from hookd.errors import ToolFailedError
from hookd.sandbox import signatures
from hookd.settings import SiteSettings
from hookd.tools import Call, Ground
from hookd.tools.http import Http
from hookd.tools.resolver import Resolver
from tests.test_tools import POINT, hook
from tests.test_worker import Loop

SECRET = "s3cr3t/+&\"'ключ"
ANSWER_S = 5.0

Serve = Callable[[socket.socket, bytes], None]


class Peer:
    """
    A server on the loopback that does what a test says, and keeps what it was sent.

    Attributes:
        requests: Head and body of each request.
        touched: How many connections there were.
    """

    def __init__(self, family: int = socket.AF_INET, host: str = "127.0.0.1") -> None:
        self.requests: list[bytes] = []
        self.touched = 0
        self.serve: Serve = lambda client, request: respond(client, b"hello")
        self._socket = socket.create_server((host, 0), family=family, backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.touched += 1
            thread = threading.Thread(target=self._talk, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(10)
            data = b""
            while b"\r\n\r\n" not in data and (part := client.recv(65_536)):
                data += part
            length = re.search(rb"content-length: (\d+)", data, re.IGNORECASE)
            head = data.partition(b"\r\n\r\n")[0]
            while length and len(data) < len(head) + 4 + int(length[1]):
                data += client.recv(65_536)
            self.requests.append(data)
            self.serve(client, data)

    @property
    def head(self) -> dict[str, str]:
        """The headers of the last request, names in lower case."""
        lines = self.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def line(self) -> str:
        """The first line of the last request."""
        return self.requests[-1].partition(b"\r\n")[0].decode()

    @property
    def body(self) -> bytes:
        return self.requests[-1].partition(b"\r\n\r\n")[2]


def respond(client: socket.socket, body: bytes, *, status: str = "200 OK", headers: Sequence[str] = ()) -> None:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def redirect(to: str, status: str = "302 Found") -> Serve:
    return lambda client, request: respond(client, b"", status=status, headers=[f"Location: {to}"])


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A server that answers "hello"."""
    found = Peer()
    yield found
    found.close()


@pytest.fixture
def other() -> Iterator[Peer]:
    """A second one."""
    found = Peer()
    yield found
    found.close()


class Client:
    """The tool, as the broker uses it, for one site."""

    def __init__(self, directory: Path, listed: Sequence[str], names: dict[str, list[str]] | None = None) -> None:
        self.directory = directory
        self.asked: list[str] = []
        self.names = names or {}
        self.settings = SiteSettings("UTC", "RU", "", {}, (), (), "off", "masked", http_hosts=tuple(listed))
        self.http = Http(Resolver(self._look_up))

    def _look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(-2, "Name or service not known")
        return self.names[host]

    def __call__(self, method: str, url: str, *, seconds: float = ANSWER_S, **named: Any) -> Any:
        arguments = signatures.bind("http", method, (url,), named)
        assert signatures.is_valid("http", method, arguments)
        ground = Ground("default", self.directory, self.directory / "hooks", self.settings)
        call = Call(ground, "http", method, arguments, time.monotonic() + seconds)
        timer = threading.Timer(seconds, call.abort)
        timer.start()
        try:
            return self.http.methods()[method].do(call)
        finally:
            timer.cancel()
            timer.join()

    def error(self, method: str, url: str, **named: Any) -> str:
        with pytest.raises(ToolFailedError) as caught:
            self(method, url, **named)
        return str(caught.value)


@pytest.fixture
def client(tmp_path: Path, peer: Peer, other: Peer) -> Iterator[Client]:
    """A client that may reach both servers, by address and by name."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text(SECRET + "\n")
    listed = [f"127.0.0.1:{one.port}" for one in (peer, other)]
    listed += [f"crm.example.org:{peer.port}", f"other.example.org:{other.port}", f"*.all.example.org:{peer.port}"]
    names = {name: ["127.0.0.1"] for name in ("crm.example.org", "other.example.org", "a.b.all.example.org")}
    found = Client(tmp_path, listed, names)
    yield found
    found.http.close()


# --- what is sent, and what comes back ---------------------------------------------------------------------------


def test_an_answer_has_status_headers_and_text(client: Client, peer: Peer) -> None:
    """
    A request goes out as it is written, and the answer comes back as plain data.
    """
    peer.serve = lambda one, _: respond(
        one, "привет".encode("cp1251"), status="404 Not Found", headers=["Content-Type: text/plain; charset=cp1251"]
    )

    answer = client("get", f"{peer.url}/a b".replace(" ", "%20") + "?x=1", params={"y": "я", "z": [1, True, None]})

    assert peer.line == "GET /a%20b?x=1&y=%D1%8F&z=1&z=true HTTP/1.1"
    assert peer.head["host"] == f"127.0.0.1:{peer.port}"
    assert answer == {
        "status": 404,
        "headers": {"content-length": "6", "connection": "close", "content-type": "text/plain; charset=cp1251"},
        "text": "привет",
        "host": f"127.0.0.1:{peer.port}",
    }


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_bodies_are_json_forms_or_text(client: Client, peer: Peer, method: str) -> None:
    """
    json=, data= of a dict and data= of a text go out with their content type.
    """
    sent = []
    for named in ({"json": {"a": [1, None, "я"]}}, {"data": {"a": "я", "b": 2}}, {"data": "я"}, {}):
        client(method, peer.url, **named)
        sent.append((peer.head.get("content-type"), peer.body.decode()))

    assert peer.line == f"{method.upper()} / HTTP/1.1"
    assert sent == [
        ("application/json", '{"a":[1,null,"я"]}'),
        ("application/x-www-form-urlencoded", "a=%D1%8F&b=2"),
        ("text/plain; charset=utf-8", "я"),
        (None, ""),
    ]


def test_names_are_reached_at_their_address(client: Client, peer: Peer) -> None:
    """
    A listed name, one below a listed domain, and a name with a final dot reach the address that was looked up.
    """
    hosts_seen = []
    for host in ("crm.example.org", "CRM.Example.org.", "a.b.all.example.org"):
        assert client("get", f"http://{host}:{peer.port}/")["text"] == "hello"
        hosts_seen.append(peer.head["host"])

    port = peer.port
    assert hosts_seen == [f"crm.example.org:{port}", f"crm.example.org:{port}", f"a.b.all.example.org:{port}"]
    assert client.asked == ["crm.example.org", "crm.example.org", "a.b.all.example.org"]


def test_the_next_address_is_tried(tmp_path: Path, peer: Peer) -> None:
    """
    Of several addresses those that may not be reached are left out, and one that refuses is no end.
    """
    listed = [f"crm.example.org:{peer.port}", f"127.0.0.0/8:{peer.port}"]
    client = Client(tmp_path, [*listed[:1], f"127.0.0.1:{peer.port}", f"127.0.0.2:{peer.port}"])
    client.names["crm.example.org"] = ["10.1.2.3", "127.0.0.2", "127.0.0.1"]

    assert client("get", f"http://crm.example.org:{peer.port}/")["text"] == "hello"


def test_gzip_is_unpacked(client: Client, peer: Peer) -> None:
    """
    A packed answer is text like any other.
    """
    peer.serve = lambda one, _: respond(one, gzip.compress(b'{"a": 1}'), headers=["Content-Encoding: gzip"])

    assert client("get", peer.url)["text"] == '{"a": 1}'


# --- secrets -----------------------------------------------------------------------------------------------------


def test_secrets_are_filled_in_and_masked(client: Client, peer: Peer) -> None:
    """
    {secret:NAME} is replaced in headers, URL and body; what the other side echoes of it does not reach the hook.
    """
    peer.serve = lambda one, request: respond(one, request, headers=[f"X-Echo: {SECRET}"])
    named: dict[str, Any] = {
        "params": {"k": "{secret:key}"},
        "json": {"deep": [{"k": "a {secret:key} b"}]},
        "headers": {"Authorization": "Bearer {secret:key}"},
    }

    answer = client("post", f"{peer.url}/bot{{secret:key}}/send", **named)

    assert peer.line == (
        "POST /bots3cr3t%2F%2B%26%22'%D0%BA%D0%BB%D1%8E%D1%87/send"
        "?k=s3cr3t%2F%2B%26%22%27%D0%BA%D0%BB%D1%8E%D1%87 HTTP/1.1"
    )
    assert peer.head["authorization"] == f"Bearer {SECRET}"
    assert json.loads(peer.body) == {"deep": [{"k": f"a {SECRET} b"}]}
    assert "s3cr3t" not in json.dumps(answer)
    assert answer["text"].count("***") == 4
    assert client("put", peer.url, data={"k": "{secret:key}"})["text"].endswith("k=***")
    assert client("put", peer.url, data="({secret:key})")["text"].endswith("(***)")
    for charset in ("latin-1", "cp1251", "utf-16"):
        headers = [f"Content-Type: text/plain; charset={charset}"]
        peer.serve = lambda one, request, headers=headers: respond(one, request, headers=headers)  # type: ignore[misc]
        assert "s3cr3t" not in client("put", peer.url, data="{secret:key}")["text"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "kye",
            None,
            "there is no secret kye; did you mean key? It is a file secrets/kye in the directory",
        ),
        ("../key", None, "{secret:../key} is no name of a secret."),
        (".hidden", None, "{secret:.hidden} is no name of a secret."),
        ("", None, "{secret:} is no name of a secret."),
        ("short", b"abc\n", "the secret short has fewer than 4 characters."),
        ("lines", b"abc\r\nX-Evil: 1", "the secret lines holds a line break or another control character."),
        ("large", b"x" * 9000, "the secret large is longer than 8192 bytes."),
        ("latin", b"\xff\xff\xff\xff\xff", "the secret latin is not UTF-8."),
        ("folder", ..., "the secret folder cannot be read: Is a directory."),
    ],
)
def test_a_secret_that_is_none_is_told(client: Client, peer: Peer, name: str, content: Any, message: str) -> None:
    """
    What is wrong with a secret is said by its name, never by its text; nothing is sent.
    """
    if content is ...:
        (client.directory / "secrets" / name).mkdir()
    elif content is not None:
        (client.directory / "secrets" / name).write_bytes(content)

    error = client.error("get", peer.url, headers={"X-Key": f"{{secret:{name}}}"})

    assert error.startswith(f"http.get: {message}")
    assert peer.touched == 0


def test_no_error_holds_a_secret(client: Client, peer: Peer, capfd: pytest.CaptureFixture[str]) -> None:
    """
    Whatever goes wrong with a request that has a secret in it, neither error nor log says it.
    """

    def garbage(one: socket.socket, _: bytes) -> None:
        one.sendall(f"{SECRET}\r\n\r\n".encode())

    def broken_header(one: socket.socket, _: bytes) -> None:
        one.sendall(f"HTTP/1.1 200 OK\r\n{SECRET}\r\n: {SECRET}\r\nContent-Length: 5\r\n\r\n{SECRET}".encode())

    errors = []
    (client.directory / "secrets" / "token").write_text("t0k3n.test")
    serves: list[Serve] = [garbage, lambda one, _: None, redirect(f"ftp://{SECRET}/"), redirect("http://t0k3n.test/")]
    for serve in serves:
        peer.serve = serve
        given = {"X-Key": "{secret:key}", "X-Token": "{secret:token}"}
        errors.append(client.error("get", f"{peer.url}/{{secret:key}}", headers=given))
    peer.serve = broken_header
    with contextlib.suppress(ToolFailedError):
        errors.append(client("get", f"{peer.url}/{{secret:key}}")["text"])
    errors.append(client.error("get", f"http://crm.example.org:{peer.port}/{{secret:key}}", timeout_s=0.01, seconds=0))

    assert not [error for error in errors if "s3cr3t" in error or "t0k3n" in error]
    assert "s3cr3t" not in "".join(capfd.readouterr())


# --- redirects ---------------------------------------------------------------------------------------------------


def test_redirects_are_followed(client: Client, peer: Peer) -> None:
    """
    A relative redirect, and one to the same host, end where they lead; a POST becomes a GET, but not by 307.
    """

    def serve(one: socket.socket, request: bytes) -> None:
        path = request.split()[1].decode()
        moves = {"/a": ("302 Found", "b?x=1"), "/b?x=1": ("301 Moved", f"{peer.url}/c"), "/d": ("307 Moved", "/e")}
        if path in moves:
            redirect(moves[path][1], moves[path][0])(one, request)
        else:
            respond(one, request.split(b"\r\n")[0] + request.partition(b"\r\n\r\n")[2])

    peer.serve = serve

    assert client("post", f"{peer.url}/a", json={"a": 1})["text"] == "GET /c HTTP/1.1"
    assert client("post", f"{peer.url}/d", json={"a": 1})["text"] == 'POST /e HTTP/1.1{"a":1}'


def test_redirects_have_an_end(client: Client, peer: Peer) -> None:
    """
    After five there is an error.
    """
    peer.serve = redirect("/again")

    error = client.error("get", f"{peer.url}/")

    assert error == (
        "http.get: 127.0.0.1 is where it was after 5 redirects, and redirects again. Ask for the last address yourself."
    )
    assert len(peer.requests) == 6


def test_another_host_gets_no_credentials(client: Client, peer: Peer, other: Peer) -> None:
    """
    Across hosts go only headers that say how; within one, all of them. A body with a secret goes nowhere else.
    """
    headers = {"Authorization": "Bearer {secret:key}", "X-Api-Key": "canary", "Cookie": "a=canary", "Accept": "text/x"}
    peer.serve = redirect(f"http://other.example.org:{other.port}/", "307 Moved")

    client("post", peer.url, headers=headers, json={"a": 1})
    sent = other.head | {"body": other.body.decode()}
    error = client.error("post", peer.url, json={"a": "{secret:key}"})

    assert "canary" not in str(other.requests)
    assert "s3cr3t" not in str(other.requests)
    assert (sent["accept"], sent["body"]) == ("text/x", '{"a":1}')
    assert error == (
        "http.post: 127.0.0.1 redirects a request with a secret in it to other.example.org. "
        "If that is right, send it to other.example.org at once."
    )
    assert other.touched == 1


# --- where it must never get to ----------------------------------------------------------------------------------

# URLs that some client or resolver reads as an address of this machine or its neighbours; PORT is the server's.
TRICKS = (
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://localhost.localdomain:PORT/",
    "http://ip6-localhost:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.000.000.001:PORT/",
    "http://0127.0.0.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7F.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.0.0.2:PORT/",
    "http://127.255.255.254:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://[::]:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://metadata.google.internal/",
    "http://100.100.100.200/",
    "http://10.0.0.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://172.17.0.1:PORT/",
    "http://224.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://api.example.org@127.0.0.1:PORT/",
    "http://api.example.org:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@api.example.org/",
    "http://127.0.0.1:PORT?@api.example.org/",
    "http://127.0.0.1:PORT\\@api.example.org/",
    "http://api.example.org\\@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http://127.0.0.1:PORT:80/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://１２７.0.0.1:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://loc\u00adalhost:PORT/",
    "http://localhost\u200b:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127.0.0.1%00.api.example.org:PORT/",
    "http://api.example.org\r\nHost: 127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\n.api.example.org/",
    "http://127.0.0.1 .api.example.org:PORT/",
    " http://127.0.0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    "http://api.example.org.127.0.0.1:PORT/",
    "http://evilapi.example.org:PORT/",
    "http://api.example.org.evil.test:PORT/",
    "http://below.api.example.org:PORT/",
    "http://example.org:PORT/",
    "http://api.example.org:PORT/",
    "https://api.example.org:PORT/",
    "http://.all.example.org:PORT/",
    "http://all.example.org/",
    "http://127.0.0.1.nip.io:PORT/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "gopher://127.0.0.1:PORT/_GET",
    "dict://127.0.0.1:PORT/",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/",
    "data:text/plain,hello",
    "http://",
    "http://:PORT/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:+PORT/",
    "http://127.0.0.1:٣٤/",
)
# What a resolver of the machine, or of an attacker, says; every other name is unknown.
LIES = {
    **{name: ["127.0.0.1"] for name in ("localhost", "localhost.localdomain", "ip6-localhost", "127.0.0.1.nip.io")},
    "metadata.google.internal": ["169.254.169.254"],
    "api.example.org": ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fe80::1%lo"],
    "a.all.example.org": ["64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "240.0.0.1", "100.64.0.1", "fec0::1"],
}
LISTED = ("api.example.org", "*.all.example.org")


@pytest.fixture(scope="module")
def victims() -> Iterator[list[Peer]]:
    """Servers on one port of both loopbacks, which nothing may ever reach."""
    found = [Peer()]
    with contextlib.suppress(OSError):
        found.append(Peer(socket.AF_INET6, "::1"))
    yield found
    for one in found:
        one.close()


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_lead_nowhere(tmp_path: Path, victims: list[Peer], trick: str) -> None:
    """
    However an address of this machine is written, a site that does not list it does not get there.
    """
    for victim in victims:
        client = Client(tmp_path, LISTED, LIES)

        error = client.error("get", trick.replace("PORT", str(victim.port)), timeout_s=2)

        assert error.startswith("http.get: ")
        assert victim.touched == 0


@pytest.mark.parametrize("trick", TRICKS)
def test_redirects_lead_nowhere_either(tmp_path: Path, peer: Peer, victims: list[Peer], trick: str) -> None:
    """
    Each hop is looked at as the first one is.
    """
    location = trick.replace("PORT", str(victims[0].port)).replace("\r", "%0d").replace("\n", "%0a")
    peer.serve = redirect(location)
    client = Client(tmp_path, [*LISTED, f"127.0.0.1:{peer.port}"], LIES)

    with contextlib.suppress(ToolFailedError):  # a redirect within the server's own host is one
        client("get", peer.url)

    assert victims[0].touched == 0


@pytest.mark.parametrize("name", ["api.example.org", "a.all.example.org"])
def test_a_listed_name_leads_to_public_addresses_only(tmp_path: Path, victims: list[Peer], name: str) -> None:
    """
    Whatever a name server says of a listed name, private, local and reserved addresses are not connected to.
    """
    port = victims[0].port
    client = Client(tmp_path, [f"{entry}:{port}" for entry in LISTED], LIES)

    error = client.error("get", f"http://{name}:{port}/")

    shown = hosts.Target("http", str(hosts.unwrapped(ipaddress.ip_address(LIES[name][0]))), port)
    assert error == (
        f"http.get: {name} leads to {shown.host}, which is no public address. If that is meant, the operator lists the "
        f'address, too: http_hosts = ["{shown.entry}"].'
    )
    assert victims[0].touched == 0


def test_a_name_is_looked_up_once(tmp_path: Path, victims: list[Peer], peer: Peer) -> None:
    """
    A name server that says something else the second time (DNS rebinding) is not asked a second time.
    """
    client = Client(tmp_path, [f"api.example.org:{peer.port}"])
    answers = [["198.51.100.1", "10.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]]
    client.http = Http(Resolver(lambda host: client.asked.append(host) or answers.pop(0)))  # type: ignore[func-returns-value]

    error = client.error("get", f"http://api.example.org:{peer.port}/")

    assert "198.51.100.1, which is no public address" in error
    assert client.asked == ["api.example.org"]
    assert peer.touched == 0


def test_the_environment_does_not_count(
    client: Client, peer: Peer, other: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Proxies, .netrc and certificate bundles of the environment change nothing.
    """
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
    netrc = client.directory / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")

    client("get", peer.url)

    assert (other.touched, "authorization" in peer.head) == (0, False)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            {"X-A": "1\r\nX-Evil: 1"},
            "the header X-A holds a line break or another control character, or is",
        ),
        ({"X-A": "1\nX-Evil: 1"}, "the header X-A holds a line break"),
        ({"X-A": "1\rX"}, "the header X-A holds a line break"),
        ({"X-A": "1\x00"}, "the header X-A holds a line break"),
        ({"X-A": "1" * 9000}, "the header X-A holds a line break"),
        ({"X-A\r\nX-Evil": "1"}, "'X-A\\r\\nX-Evil' is no name of a header."),
        ({"X-A: 1": "1"}, "'X-A: 1' is no name of a header."),
        ({"": "1"}, "'' is no name of a header."),
        ({"Заголовок": "1"}, "'Заголовок' is no name of a header."),
        ({"Host": "evil.test"}, "the header Host is not yours to set."),
        ({"content-length": "5"}, "the header content-length is not yours to set."),
        ({"Transfer-Encoding": "chunked"}, "the header Transfer-Encoding is not yours to set."),
        ({"Connection": "upgrade"}, "the header Connection is not yours to set."),
        ({"X-A": None}, "the header X-A is no text."),
        ({"X-A": True}, "the header X-A is no text."),
    ],
)
def test_headers_are_headers(client: Client, peer: Peer, headers: dict[str, Any], message: str) -> None:
    """
    Nothing in a header begins another one, or another request.
    """
    assert client.error("get", peer.url, headers=headers).startswith(f"http.get: {message}")
    assert peer.touched == 0


def test_paths_begin_no_header(client: Client, peer: Peer) -> None:
    """
    Characters that would end the first line are refused in a URL, and quoted in what is laid over it.
    """
    refused = [client.error("get", f"{peer.url}/a{odd}b") for odd in ("\r\n", " ", "\t", "\x00", "\\")]
    client("get", f"{peer.url}/я", params={"a\r\nX-Evil: 1": "b\r\nX-Evil: 1"})

    assert all("in the URL. Write https://host/path" in error for error in refused)
    assert peer.line == "GET /%D1%8F?a%0D%0AX-Evil%3A+1=b%0D%0AX-Evil%3A+1 HTTP/1.1"
    assert "x-evil" not in peer.head


# --- what hangs, floods and lies ---------------------------------------------------------------------------------


def flood(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        one.sendall(b"x" * 65_536)


def flood_chunks(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        one.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def bomb(one: socket.socket, _: bytes) -> None:
    respond(one, gzip.compress(gzip.compress(bytes(50_000_000))), headers=["Content-Encoding: gzip, gzip"])


def single_bomb(one: socket.socket, _: bytes) -> None:
    respond(one, gzip.compress(bytes(50_000_000)), headers=["Content-Encoding: gzip"])


def drip(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        one.sendall(b"x")
        time.sleep(0.02)


def drip_head(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
    while True:
        one.sendall(b"x")
        time.sleep(0.02)


def silence(one: socket.socket, _: bytes) -> None:
    one.recv(1)


def reset(one: socket.socket, _: bytes) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def cut(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


def nonsense(one: socket.socket, _: bytes) -> None:
    one.sendall(b"\x15\x03\x01" * 100)


def headers(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(1000)) + b"\r\n")


def no_gzip(one: socket.socket, _: bytes) -> None:
    respond(one, b"hello", headers=["Content-Encoding: gzip"])


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (flood, "the answer of 127.0.0.1 is longer than 1048576 bytes, unpacked."),
        (flood_chunks, "the answer of 127.0.0.1 is longer than 1048576 bytes, unpacked."),
        (single_bomb, "the answer of 127.0.0.1 is longer than 1048576 bytes, unpacked."),
        (bomb, "the answer of 127.0.0.1 is longer than 1048576 bytes, unpacked."),
        (drip, "127.0.0.1:PORT: no answer in time."),
        (drip_head, "127.0.0.1:PORT: no answer in time."),
        (silence, "127.0.0.1:PORT: no answer in time."),
        (reset, "127.0.0.1:PORT cannot be reached: Connection reset by peer."),
        (cut, "127.0.0.1:PORT cannot be reached: what came back is no HTTP, or ended too early."),
        (nonsense, "127.0.0.1:PORT cannot be reached: what came back is no HTTP, or ended too early."),
        (headers, "127.0.0.1:PORT cannot be reached: what came back is no HTTP, or ended too early."),
        (no_gzip, "the answer of 127.0.0.1:PORT cannot be unpacked."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_bad_servers_are_an_error(client: Client, peer: Peer, serve: Serve, message: str) -> None:
    """
    What never ends is cut at the limit or the deadline, what is no answer is told as such.
    """
    peer.serve = serve

    error = client.error("get", peer.url, seconds=1.0 if "no answer" in message else 10.0)

    assert error.removeprefix("http.get").lstrip(": ").startswith(message.replace("PORT", str(peer.port)))


def test_a_name_server_that_is_silent_is_an_error(tmp_path: Path) -> None:
    """
    The call ends at its deadline; more calls for the same name wait for the same look-up.
    """
    release, asked = threading.Event(), []
    client = Client(tmp_path, ["api.example.org"])

    def hang(host: str) -> list[str]:
        asked.append(host)
        release.wait(10)
        return []

    client.http = Http(Resolver(hang))
    errors = {client.error("get", "http://api.example.org/", seconds=0.1) for _ in range(20)}
    release.set()
    client.http.close()

    assert asked == ["api.example.org"]
    assert errors == {
        "http.get: no name server told the address of api.example.org in time. "
        "Look at the machine's name servers: `getent hosts` asks them."
    }


def test_a_host_that_does_not_take_the_connection(tmp_path: Path) -> None:
    """
    A connection that never comes about ends at the deadline, too, and is shut.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for one in filling:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client = Client(tmp_path, [f"127.0.0.1:{port}"])
        before = len(os.listdir("/proc/self/fd"))
        try:
            error = client.error("get", f"http://127.0.0.1:{port}/", seconds=0.3)
            after = len(os.listdir("/proc/self/fd"))
        finally:
            for one in filling:
                one.close()

    assert error.startswith(f"http.get 127.0.0.1:{port}: no answer in time.")
    assert after == before


def test_unknown_hosts_and_closed_ports(tmp_path: Path) -> None:
    """
    Which of both it is stands in the error.
    """
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    client = Client(tmp_path, ["nobody.example.org", f"127.0.0.1:{port}"])

    assert client.error("get", "http://nobody.example.org/").startswith(
        "http.get: the host nobody.example.org is not known."
    )
    assert client.error("get", f"http://127.0.0.1:{port}/").startswith(
        f"http.get: 127.0.0.1:{port} cannot be reached: Connection refused."
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody's for crm.example.org, and its key."""
    path = tmp_path_factory.mktemp("tls") / "pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=crm.example.org"]
    command += ["-addext", "subjectAltName=DNS:crm.example.org", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_tls_is_verified(client: Client, other: Peer, certificate: Path) -> None:
    """
    A certificate has to be of an authority that is trusted and of the name in the URL; only then anything is sent.
    """
    told: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    server.sni_callback = lambda one, name, context: told.append(name)
    with TLSPeer(server) as port:
        listed = [f"crm.example.org:{port}", f"other.example.org:{port}", f"127.0.0.1:{port}"]
        names = dict(client.names)
        unknown = Client(client.directory, listed, names)
        trusting = Client(client.directory, listed, names)
        trusting.http = Http(Resolver(trusting._look_up), ssl.create_default_context(cafile=str(certificate)))

        refused = unknown.error("get", f"https://crm.example.org:{port}/")
        wrong = trusting.error("get", f"https://other.example.org:{port}/")
        bare = trusting.error("get", f"https://127.0.0.1:{port}/")
        right = trusting("get", f"https://crm.example.org:{port}/")

    assert refused.startswith("http.get: the certificate of crm.example.org:")
    assert "is not accepted: self-signed certificate." in refused
    assert "Hostname mismatch" in wrong
    assert "IP address mismatch" in bare
    assert right["text"] == "GET / HTTP/1.1"
    assert told == ["crm.example.org", "other.example.org", None, "crm.example.org"]


def test_a_reset_while_tls_begins_is_told(client: Client) -> None:
    """
    A connection that ends before anything was agreed on is an error like others.
    """
    with TLSPeer(None, resets=True) as port:
        error = Client(client.directory, [f"127.0.0.1:{port}"]).error("get", f"https://127.0.0.1:{port}/")

    assert error.startswith(f"http.get: 127.0.0.1:{port} cannot be reached: Connection reset by peer.")


def test_what_is_no_tls_is_told(client: Client) -> None:
    """
    A port that speaks something else is not taken for a slow one.
    """
    with TLSPeer(None) as port:
        error = Client(client.directory, [f"127.0.0.1:{port}"]).error("get", f"https://127.0.0.1:{port}/")

    assert error.startswith(f"http.get: 127.0.0.1:{port} speaks no TLS that is understood here.")


class TLSPeer:
    """A server with TLS that answers with the first line of a request; without a context one that talks nonsense."""

    def __init__(self, context: ssl.SSLContext | None, *, resets: bool = False) -> None:
        self._context = context
        self._resets = resets
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                client.settimeout(5)
                if self._resets:
                    client.recv(1)  # what is left unread makes a reset of the end
                    continue
                if self._context is None:
                    client.sendall(b"220 mail.example.org ESMTP\r\n")
                    client.recv(4096)
                    continue
                with self._context.wrap_socket(client, server_side=True) as safe:
                    respond(safe, safe.recv(65_536).partition(b"\r\n")[0])


# --- from a hook -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crm() -> Iterator[Peer]:
    """The CRM that the hooks of these tests ask."""
    found = Peer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory, crm: Peer) -> Iterator[Loop]:
    """A service whose site may reach it."""
    directory = tmp_path_factory.mktemp("service")
    (directory / "secrets").mkdir()
    (directory / "secrets" / "crm").write_text("canary-of-the-crm\n")
    found = Loop(directory, f'[site]\nhttp_hosts = ["127.0.0.1:{crm.port}"]\n')
    yield found
    found.close()


def test_a_hook_asks_a_crm(loop: Loop, crm: Peer) -> None:
    """
    The example of the documentation: a key from the secrets, JSON there and back, and a record without any of it.
    """
    crm.serve = lambda one, request: respond(one, b'{"phone": "+79001234567"}')
    body = (
        f"found = http.get('{crm.url}/find', params={{'phone': request['phone']}}, "
        "headers={'Authorization': 'Bearer {secret:crm}'}, timeout_s=0.8)\n"
        "found.raise_for_status()\n"
        "print(found, found.status, found.ok, sorted(found.headers))\n"
        "return {'phone': found.json()['phone']}"
    )

    run = loop.run(hook(body, "http"))

    assert run.outcome == "ok", run.error
    assert run.reply["data"] == {"phone": "+79001234567"}
    assert run.printed == f"response 200 of 127.0.0.1:{crm.port} 200 True ['connection', 'content-length']\n"
    assert (crm.line, crm.head["authorization"]) == ("GET /find?phone=1 HTTP/1.1", "Bearer canary-of-the-crm")
    assert [(call.name, call.error) for call in run.calls] == [(f"http.get 127.0.0.1:{crm.port}", "")]
    assert "canary-of" not in repr(run)


@pytest.mark.parametrize(
    ("answer", "body", "message"),
    [
        (b"<html>", "answer.json()", "http: HOST answered 200 with no JSON: the body begins with '<html>'. "
         "Look at response.status and response.text first."),
        (b"", "answer.json()", "http: HOST answered 200 with no JSON: the body is empty. "
         "Look at response.status and response.text first."),
        (b"NaN", "answer.json()", "http: HOST answered 200 with no JSON: the body begins with 'NaN'. "
         "Look at response.status and response.text first."),
        (b"[" * 100_000, "answer.json()", f"http: HOST answered 200 with no JSON: the body begins with '{'[' * 40}'. "
         "Look at response.status and response.text first."),
        (b"404", "answer.raise_for_status()", "http: HOST answered 404. "
         "response.text says why, perhaps; if not response.ok: … deals with it."),
        (b"", "answer.content", "AttributeError: a Response has no attribute content. "
         "It has: headers, json, ok, raise_for_status, status, text."),
    ],
)  # fmt: skip
def test_a_response_teaches(loop: Loop, crm: Peer, answer: bytes, body: str, message: str) -> None:
    """
    What a hook takes for granted of an answer, and is not there, is told with what is.
    """
    status = "404 Not Found" if answer == b"404" else "200 OK"
    crm.serve = lambda one, request: respond(one, answer, status=status)

    run = loop.run(hook(f"answer = http.get('{crm.url}')\n{body}", "http"))

    assert str(run.error).startswith(f"process_client_phone.py:3: {message} ".replace("HOST", crm.url[7:]))


def test_a_crm_that_is_silent_is_named(loop: Loop, crm: Peer) -> None:
    """
    Without a timeout_s the run is stopped and says where its time went, and the connection is gone; with one the hook
    goes on.
    """
    gone = threading.Event()

    def silent(one: socket.socket, _: bytes) -> None:
        one.recv(1)
        gone.set()

    crm.serve = silent

    stopped = loop.run(hook(f"http.get('{crm.url}')", "http"))
    was_shut = gone.wait(5)
    body = f"try:\n    http.get('{crm.url}', timeout_s=0.2)\nexcept Exception as error:\n    print(error)\n"
    went_on = loop.run(hook(f"{body}return {{'phone': '2'}}", "http"))

    assert stopped.reason == "timeout"
    assert re.sub(r"\d\.\d\d s", "N s", str(stopped.error)) == (
        "process_client_phone.py: stopped at its limit of 1 s ([points.process_client_phone] timeout_s); N s went into "
        f"http.get 127.0.0.1:{crm.port}. Give http a timeout_s, and go on without the answer: try: … except Exception: "
        f"… {POINT.kept} [timeout]"
    )
    assert [call.error for call in stopped.calls] == ["the run ended before the answer"]
    assert was_shut
    assert went_on.reply["data"] == {"phone": "2"}
    assert went_on.printed == (
        f"http.get 127.0.0.1:{crm.port}: no answer within 0.2 s (timeout_s). "
        "Give it longer, or go on without: try: … except Exception: …\n"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "http.get('http://169.254.169.254/latest')",
            "http.get: this site may not reach 169.254.169.254 over http. The operator lists it: http_hosts = "
            '["169.254.169.254"], under [site] in hookd.toml, or in site.toml. Listed: 127.0.0.1:PORT.',
        ),
        (
            "http.get('http://user:pass@127.0.0.1:PORT/')",
            "http.get: there is an @ before the path of the URL. "
            'Name and password go into headers={"Authorization": "Basic {secret:NAME}"}.',
        ),
        (
            "http.post('http://127.0.0.1:PORT/', json={}, data='x')",
            "http.post: it is given json and data. Hand over json=… for JSON, data=… for a form (a dict) or a text.",
        ),
        (
            "http.post('http://127.0.0.1:PORT/', data={'a': {'b': 1}})",
            "http.post: data: a is a dict. A form has texts, numbers and lists of them; the rest goes into json=….",
        ),
        (
            "http.get('http://127.0.0.1:PORT/', timeout=1)",
            "http.get has no timeout; did you mean timeout_s? "
            "Write http.get(url, params=None, json=None, data=None, headers=None, timeout_s=None).",
        ),
        (
            "http.get('http://127.0.0.1:PORT/', verify=False)",
            "http.get has no verify. "
            "Write http.get(url, params=None, json=None, data=None, headers=None, timeout_s=None).",
        ),
        (
            "http.get('http://127.0.0.1:PORT/', timeout_s=0)",
            "http.get: timeout_s is an integer or a number from 0.01 to 60. "
            "Write http.get(url, params=None, json=None, data=None, headers=None, timeout_s=None).",
        ),
    ],
)
def test_errors_teach(loop: Loop, crm: Peer, call: str, message: str) -> None:
    """
    What cannot be asked is told with what can, at the line of the call.
    """
    run = loop.run(hook(call.replace("PORT", str(crm.port)), "http"))

    assert str(run.error).startswith(f"process_client_phone.py:2: {message} ".replace("PORT", str(crm.port)))
