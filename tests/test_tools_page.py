"""
docs/tools.md: what it shows of the tools that are called is what they do.
"""

import asyncio
import doctest
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd import settings
from hookd.hosts import Target
from hookd.sandbox import acting, signatures
from hookd.sandbox.acting import Calls
from hookd.tools import Broker, Ground, Tools, lists, secrets, store
from hookd.tools import http as http_tool
from hookd.tools.http import Http
from hookd.tools.lists import Lists
from hookd.tools.records import Records
from hookd.tools.resolver import Resolver
from hookd.tools.store import Store
from hookd.tools.wiring import Adapter, Dial
from tests.test_http_tool import Peer, respond

PAGE = Path(__file__).parent.parent / "docs" / "tools.md"
TEXT = PAGE.read_text("utf-8")
CALLED = TEXT[TEXT.index("## Tools that are called") :]


class Asked:
    """The broker's side of the calls of one run, without a worker between."""

    def __init__(self, broker: Broker, ground: Ground) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._broker = broker
        self._run = broker.begin(ground, [*signatures.SIGNATURES], time.monotonic() + 60, None)

    def __call__(self, message: dict[str, Any]) -> dict[str, Any]:
        answered: list[bytes] = []
        there = threading.Event()

        def send(frame: bytes) -> None:
            answered.append(frame)
            there.set()

        self._loop.call_soon_threadsafe(self._run.begin, message, send)
        assert there.wait(20)
        answer: dict[str, Any] = json.loads(answered[0][4:])
        return answer

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._broker.close()


def crm(client: socket.socket, request: bytes) -> None:
    """A CRM that knows one caller, and echoes its authorization."""
    found = re.search(rb"Authorization: (.*)\r\n", request)
    document = {"authorization": found[1].decode()} if found else {"name": "Ivanov"}
    respond(client, json.dumps(document).encode(), headers=["Content-Type: application/json"])


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The tools of a site with the lists of the page, and with a CRM that is reached without TLS."""
    for name, text in re.findall(r"`hooks/lists/(\S+)`:\n\n```text\n(.*?)```", CALLED, re.DOTALL):
        path = tmp_path / "hooks" / "lists" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "crm").write_text("canary-of-the-crm\n")
    config = next(text for text in re.findall(r"```toml\n(.*?)```", CALLED, re.DOTALL) if "http_hosts" in text)
    (tmp_path / "hookd.toml").write_text(config)
    peer = Peer()
    peer.serve = crm
    site = settings.load(tmp_path / "hookd.toml", tmp_path).site
    kept = Store(tmp_path / "var")
    http = Http(connects=_plain(peer.port))
    methods = {"http": http.methods(), "lists": Lists().methods(), "store": kept.methods()}
    asked = Asked(Broker(Tools(methods, kept.close)), Ground("default", tmp_path, tmp_path / "hooks", site))
    calls = Calls(asked, lambda value: value)
    yield {name: kind(calls) for name, kind in acting.TOOLS.items()}
    asked.close()
    peer.close()


def _plain(port: int) -> Callable[[Target, Dial, ssl.SSLContext | None], Adapter]:
    """What connects to the CRM of the test, whatever it is asked for, and leaves TLS out."""
    crm_itself = Target("http", "127.0.0.1", port)

    class Plain(Adapter):
        def __init__(self, target: Target, dial: Dial, context: ssl.SSLContext | None) -> None:
            super().__init__(crm_itself, lambda: socket.create_connection(("127.0.0.1", port)), context)

    return Plain


def test_examples_of_the_page(tools: dict[str, Any]) -> None:
    """
    Every example line gives what stands below it.
    """
    text = CALLED.replace("```", "\n")
    page = doctest.DocTestParser().get_doctest(text, tools, "tools.md", str(PAGE), 0)
    report: list[str] = []

    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(page, out=report.append)

    assert "".join(report) == ""
    assert result.attempted >= 20


@pytest.mark.parametrize("tool", signatures.SIGNATURES)
def test_every_method_is_documented(tool: str) -> None:
    """
    The page has a row for each method of each tool.
    """
    missing = [method for method in signatures.SIGNATURES[tool] if f"| `{tool}.{method}(" not in CALLED]

    assert missing == []


def test_everything_of_an_answer_is_documented() -> None:
    """
    The page has a row for all that a hook may reach of an answer.
    """
    assert [name for name in sorted(acting.Response.PUBLIC) if not re.search(rf"\| `\.{name}(\(\))?` \|", CALLED)] == []


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    """
    Whoever changes a limit changes the page.
    """
    page = " ".join(CALLED.split())
    defaults = settings.SiteSettings("UTC", "RU", "", {}, (), (), "off", "masked")
    timeout = next(one for one in signatures.SIGNATURES["http"]["get"] if one.name == "timeout_s")
    key = signatures.SIGNATURES["store"]["get"][0]

    assert f"A run makes {signatures.CALLS_MAX} calls at most" in page
    assert f"with up to {signatures.ARGUMENT_BYTES // 2**20} MB of arguments each" in page
    assert f"files are UTF-8, {lists.MAX_BYTES // 2**20} MB at most" in page
    assert f"| an answer | {http_tool.MAX_BYTES // 2**20} MB, unpacked |" in page
    assert f"| redirects | {http_tool.MAX_REDIRECTS}, " in page
    assert f"| the URL with `params` | {http_tool.MAX_URL_CHARACTERS} characters |" in page
    assert f"| a header | {http_tool.MAX_HEADER_CHARACTERS // 1024} KB, " in page
    assert f"| `timeout_s` | {timeout.low} to {timeout.high}, " in page
    assert f"({secrets.MIN_CHARACTERS} characters to {secrets.MAX_BYTES // 1024} KB" in page
    assert f"Keys are texts of {key.low} to {key.high} characters" in page
    assert f"a value has up to {store.VALUE_BYTES // 1024} KB as JSON" in page
    assert f"a site {defaults.store_keys_max} keys and {defaults.store_mb_max} MB" in page


def test_signatures_are_those_of_the_tools(tmp_path: Path) -> None:
    """
    What a hook may call is what the tools can do, no more and no less.
    """
    found = {
        "lists": Lists().methods(),
        "http": Http(Resolver()).methods(),
        "records": Records(tmp_path).methods(),
        "store": Store(tmp_path).methods(),
    }

    assert {tool: set(methods) for tool, methods in found.items()} == {
        tool: set(methods) for tool, methods in signatures.SIGNATURES.items()
    }
