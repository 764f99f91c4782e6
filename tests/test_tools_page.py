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
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hookd import settings
from hookd.hosts import Target
from hookd.jobs import Jobs
from hookd.portal import http as portal_http
from hookd.portal import limits, rest
from hookd.portal.side import PortalSide
from hookd.sandbox import acting, signatures
from hookd.sandbox.acting import Calls
from hookd.sandbox.language import plain
from hookd.tools import Broker, Ground, Tools, lists, secrets, store
from hookd.tools import http as http_tool
from hookd.tools.bitrix import Bitrix
from hookd.tools.http import Http
from hookd.tools.jobs import JobsTool
from hookd.tools.lists import Lists
from hookd.tools.records import Records
from hookd.tools.resolver import Resolver
from hookd.tools.store import Store
from hookd.tools.wiring import Adapter, Dial
from tests.portal.server import Account, Bitrix24
from tests.test_http_tool import Peer, respond

PAGE = Path(__file__).parent.parent / "docs" / "tools.md"
TEXT = PAGE.read_text("utf-8")
WEBHOOK = "wh0oksecret12345"
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
    resolver, kept, jobs = Resolver(), Store(tmp_path / "var"), Jobs(tmp_path / "var")
    portals = PortalSide(tmp_path / "var", jobs)
    methods = {
        "bitrix": Bitrix(portals, resolver).methods(),
        "http": Http(resolver, connects=_plain(peer.port)).methods(),
        "lists": Lists().methods(),
        "store": kept.methods(),
    }
    with Bitrix24() as bitrix24:
        url = f"{bitrix24.endpoint(acme(bitrix24))}1/{WEBHOOK}/"
        found = settings.load(tmp_path / "hookd.toml", tmp_path).site
        site = replace(found, bitrix_webhook=url, bitrix_methods=("crm.*", "user.*"))
        asked = Asked(Broker(Tools(methods, kept.close)), Ground("default", tmp_path, tmp_path / "hooks", site))
        calls = Calls(asked, plain)
        yield {name: kind(calls) for name, kind in acting.TOOLS.items()}
        asked.close()
    portals.close()
    jobs.close()
    resolver.close()
    peer.close()


def acme(bitrix24: Bitrix24) -> Account:
    """The portal of the page: 120 leads, and an incoming webhook."""
    account = bitrix24.add("acme", webhooks={WEBHOOK: 1})
    account.items["crm.lead"] = {number: {"ID": str(number), "TITLE": f"Lead {number}"} for number in range(1, 121)}
    return account


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
    limit = next(one for one in signatures.SIGNATURES["bitrix"]["list"] if one.name == "limit")
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
    assert f"limit={limit.default}, …)` | The items of a list method, page after page" in page
    assert f"as far as `limit`, {limit.high} at most" in page
    assert f"The results of up to {rest.BATCH_MAX} methods in one request" in page
    assert f"it takes {limits.BURST:g} requests at once and {limits.SINKS_A_SECOND:g} a second after that" in page
    assert f"all pages of a list together, have {portal_http.MAX_ANSWER_BYTES // 2**20} MB at most" in page
    assert f"({secrets.MIN_CHARACTERS} characters to {secrets.MAX_BYTES // 1024} KB" in page
    assert f"Keys are texts of {key.low} to {key.high} characters" in page
    assert f"a value has up to {store.VALUE_BYTES // 1024} KB as JSON" in page
    assert f"a site {defaults.store_keys_max} keys and {defaults.store_mb_max} MB" in page


def test_signatures_are_those_of_the_tools(tmp_path: Path) -> None:
    """
    What a hook may call is what the tools can do, no more and no less.
    """
    jobs = Jobs(tmp_path)
    portals = PortalSide(tmp_path, jobs)
    found = {
        "bitrix": Bitrix(portals, Resolver()).methods(),
        "jobs": JobsTool(jobs).methods(),
        "lists": Lists().methods(),
        "http": Http(Resolver()).methods(),
        "records": Records(tmp_path).methods(),
        "store": Store(tmp_path).methods(),
    }

    assert {tool: set(methods) for tool, methods in found.items()} == {
        tool: set(methods) for tool, methods in signatures.SIGNATURES.items()
    }
