"""
Pages of hooks in a portal: what an employee sees, what a form in it does, and what a stranger does not get.
"""

import html
import re
import time
from collections.abc import Iterator

import pytest
import requests

from hookd.portal.tickets import Tickets
from hookd.portal.vault import Vault
from tests.conftest import Server, finish, write_hooks
from tests.portal import payloads
from tests.portal.server import Account, Bitrix24
from tests.portal.serving import SITE, serve_with

HOSTILE = "</script><script>alert(1)</script>{{ 7 * 7 }}\" onload='x'"

NOTES = """
def call_card(placement, store):
    key = "notes:" + placement["options"]["PHONE_NUMBER"]
    notes = store.get(key, [])
    if placement["form"]:
        notes = [*notes, placement["form"]["note"]]
        store.set(key, notes)
    context = {"notes": notes, "phone": placement["options"]["PHONE_NUMBER"]}
    return {"template": "notes.html", "title": "Notes", "context": context}
"""
NOTES_HTML = """{% extends "outer.html" %}
{% block inside %}
{% for note in notes %}<li>{{ note }}</li>{% endfor %}
<form method="post">{{ form_token }}<input name="note"></form>
<script nonce="{{ nonce }}">document.title = {{ phone|tojson }};</script>
{% endblock %}
"""
HOOKS = {
    "placements/call_card.py": NOTES,
    "templates/notes.html": NOTES_HTML,
    "templates/outer.html": "<section>{% block inside %}{% endblock %}</section>\n",
    "templates/plain.html": "<p>{{ text }}</p>\n",
    "templates/long.html": "{% for i in range(2000) %}{{ text }}{% endfor %}\n",
    "templates/endless.html": (
        "{% for a in range(90000) %}{% for b in range(90000) %}{% if a > b %}{% endif %}{% endfor %}{% endfor %}\n"
    ),
    "templates/wrong.html": "<p>\n{{ nothing }}</p>\n",
    "templates/whole.html": "<!doctype html><title>mine</title><p>{{ text }}</p>\n",
    "placements/crm_detail_activity.py": (
        "def crm_detail_activity(placement):\n"
        "    text = f\"{placement['code']} {placement['options']['ID']} {placement['entity_type_id']}\"\n"
        "    return {'template': 'plain.html', 'context': {'text': text}}\n"
    ),
    "placements/other.py": (
        "def other(placement):\n"
        "    return {'template': 'plain.html', 'context': {'text': 'other ' + placement['code']}}\n"
    ),
    "placements/left_menu.py": "def left_menu(placement):\n    return 1 / 0\n",
    "placements/crm_lead_detail_tab.py": (
        "def crm_lead_detail_tab(placement):\n"
        "    return {'template': placement['options']['t'], 'context': {'text': 'x' * 1000}}\n"
        "PAGES = ['long.html', 'endless.html', 'wrong.html', 'whole.html']\n"
    ),
    "placements/crm_deal_detail_tab.py": "def crm_deal_detail_tab(placement):\n    return None\n",
}
CONFIG = f"{SITE}\n[placements.crm_lead_detail_tab]\ntimeout_s = 1.5\n"


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hookd with an app, some placement hooks, and two sites with the same app."""
    directory = tmp_path_factory.mktemp("server")
    for base in (directory, directory / "sites" / "second"):
        write_hooks(base, HOOKS)
    (directory / "sites" / "second" / "site.toml").write_text(SITE.replace("[site]", ""))
    started = serve_with(bitrix24, directory, config=CONFIG)
    yield started
    finish(started)


@pytest.fixture(scope="module")
def acme(server: Server, bitrix24: Bitrix24) -> Account:
    return installed(server, bitrix24, "acme")


def installed(server: Server, bitrix24: Bitrix24, name: str, site: str = "") -> Account:
    account = bitrix24.add(name)
    assert bitrix24.install(f"{server.url}{site}/bitrix24/install", account).status_code == 200
    return account


def opened(
    server: Server, bitrix24: Bitrix24, account: Account, code: str, options: object = None, **changes: str
) -> requests.Response:
    fields = bitrix24.widget(account, code, options)
    return bitrix24.open(f"{server.url}/bitrix24/placement", {**fields, **changes})


def ticket(text: str) -> str:
    [found] = re.findall(r'name="hookd_page" value="([^"]+)"', text)
    return html.unescape(found)


def filled(server: Server, token: str, site: str = "", query: str = "", **fields: str) -> requests.Response:
    """Post a page's form, as a browser does."""
    body = {"hookd_page": token, **fields}
    return requests.post(f"{server.url}{site}/bitrix24/placement{query}", data=body, timeout=30)


def test_a_page_is_made_by_the_hook_s_template(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    In the layout of all pages, framed by its own portal alone, without cookies; its scripts have the page's nonce.
    """
    reply = opened(server, bitrix24, acme, "CALL_CARD", {"PHONE_NUMBER": "+79001234567"})

    policy = reply.headers["Content-Security-Policy"]
    [nonce] = re.findall(r"script-src 'nonce-([^']+)' https://api\.bitrix24\.com;", policy)
    assert (reply.status_code, reply.headers["Hookd-Outcome"]) == (200, "ok")
    assert f"frame-ancestors 'self' http://{bitrix24.domain(acme)}" in policy
    assert "X-Frame-Options" not in reply.headers
    assert "Set-Cookie" not in reply.headers
    assert "<h1>Notes</h1>" in reply.text
    assert '<html lang="ru">' in reply.text
    assert f'<script nonce="{nonce}">document.title = "+79001234567";</script>' in reply.text
    assert set(re.findall(r'<(?:script|style)[^>]*nonce="([^"]*)"', reply.text)) == {nonce}


@pytest.mark.parametrize(
    "fields", [*payloads.DETAIL_ACTIVITIES, payloads.CALL_CARD], ids=lambda fields: fields["PLACEMENT"]
)
def test_the_reference_s_placements_show_their_pages(
    server: Server, bitrix24: Bitrix24, fields: dict[str, str]
) -> None:
    """
    The documented payloads, query and body apart: the hook of the family has all of them, a custom type's number too.
    """
    account = next(
        (found for found in bitrix24.accounts if found.member_id == fields["member_id"]), None
    ) or bitrix24.add(f"reference-{fields['member_id']}", member_id=fields["member_id"])
    bitrix24.install(f"{server.url}/bitrix24/install", account)

    reply = bitrix24.open(
        f"{server.url}/bitrix24/placement", {**fields, "APPLICATION_TOKEN": account.application_token}
    )

    number = re.search(r'"ID":"(\d+)"', fields["PLACEMENT_OPTIONS"])
    custom = 183 if "DYNAMIC" in fields["PLACEMENT"] else None
    expected = f"<p>{fields['PLACEMENT']} {number[1]} {custom}</p>" if number else '"555555"'
    assert (reply.status_code, expected in reply.text) == (200, True)


def test_a_place_without_a_hook_of_its_own(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    `other` has it, be it known to anybody or not.
    """
    reply = opened(server, bitrix24, acme, "SOME_NEW_PLACE")

    assert "<p>other SOME_NEW_PLACE</p>" in reply.text


def test_a_form_in_a_page_reaches_its_hook(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    With the placement as it was opened, and what was filled in; the page that comes back can be filled in again.
    """
    first = opened(server, bitrix24, acme, "CALL_CARD", {"PHONE_NUMBER": "101"})

    second = filled(server, ticket(first.text), note="Рита: «перезвонить»")
    third = filled(server, ticket(second.text), note="2")
    fourth = opened(server, bitrix24, acme, "CALL_CARD", {"PHONE_NUMBER": "101"})

    assert [re.findall("<li>(.*)</li>", page.text) for page in (first, second, third, fourth)] == [
        [],
        ["Рита: «перезвонить»"],
        ["Рита: «перезвонить»</li><li>2"],
        ["Рита: «перезвонить»</li><li>2"],
    ]
    assert second.headers["Content-Security-Policy"].endswith(f"frame-ancestors 'self' http://{bitrix24.domain(acme)}")


def test_what_people_wrote_is_text(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Neither HTML, nor a script, nor a template: whatever stands in a CRM or came by a form.
    """
    first = opened(server, bitrix24, acme, "CALL_CARD", {"PHONE_NUMBER": HOSTILE})

    second = filled(server, ticket(first.text), note=HOSTILE)

    for page in (first.text, second.text):
        assert "alert(1)</script>" not in page
        assert "49" not in re.sub(r"value=\"[^\"]*\"|nonce=\"[^\"]*\"", "", page)
    assert f"<li>{html.escape(HOSTILE).replace('&#x27;', '&#39;').replace('&quot;', '&#34;')}</li>" in second.text


def test_a_forged_page_token_is_refused(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    One that was changed, made up, of another site, of another opening of the page, or of a portal that left.
    """
    fields = bitrix24.widget(acme, "CALL_CARD", {"PHONE_NUMBER": "102"})
    good = ticket(bitrix24.open(f"{server.url}/bitrix24/placement", fields).text)
    leaving = installed(server, bitrix24, "leaving")
    left = ticket(opened(server, bitrix24, leaving, "CALL_CARD", {"PHONE_NUMBER": "1"}).text)
    bitrix24.uninstall(f"{server.url}/bitrix24/event", leaving)
    changed = good[:-8] + ("A" if good[-8] != "A" else "B") + good[-7:]

    replies = {
        "changed": filled(server, changed, note="x"),
        "made up": filled(server, "x", note="x"),
        "empty": filled(server, "", note="x"),
        "another site": filled(server, good, "/sites/second", note="x"),
        "another opening": filled(server, good, query=f"?APP_SID={'0' * 32}", note="x"),
        "a portal that left": filled(server, left, note="x"),
    }
    honest = filled(server, good, query=f"?APP_SID={fields['APP_SID']}", note="y")

    for reply in replies.values():
        assert reply.status_code == 403
        assert "<h1>This page could not be opened</h1>" in reply.text or "Страница не открылась" in reply.text
    assert re.findall("<li>(.*)</li>", honest.text) == ["y"]


def test_a_page_that_was_open_for_too_long_says_so(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Its token is good for as long as the employee's own was; the page's hook is not asked.
    """
    fields = bitrix24.widget(acme, "CALL_CARD", {"PHONE_NUMBER": "103"})
    tickets = Tickets(Vault(server.directory / "var"))
    old = tickets.issue("default", fields, time.time() - 1)

    reply = filled(server, old, query="?LANG=ru", note="x")

    assert (reply.status_code, "<h1>Страница устарела</h1>" in reply.text) == (403, True)
    assert bitrix24.contacts.count("POST /placement") == 0


def test_a_hook_that_fails_shows_the_number_of_its_run(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Never a blank frame, and nothing of the hook's insides.
    """
    reply = opened(server, bitrix24, acme, "LEFT_MENU", LANG="en")

    run_id = reply.headers["Hookd-Run-Id"]
    assert (reply.status_code, reply.headers["Hookd-Outcome"]) == (200, "fallback")
    assert "<h1>This page did not work out</h1>" in reply.text
    assert f"<small>{run_id}</small>" in reply.text
    assert "ZeroDivisionError" not in reply.text
    server.wait(lambda: any(line["run"] == run_id for line in server.lines("run")), "the run's log line")
    [line] = [line for line in server.lines("run") if line["run"] == run_id]
    assert line["error"].startswith("placements/left_menu.py:2: ZeroDivisionError: division by zero.")


FAILING = {
    "long.html": (
        "contract",
        "placements/crm_lead_detail_tab.py: reply /template: long.html: the page is longer than 1 MB. "
        "Show less. The employee was shown that the page failed. [contract]",
    ),
    "endless.html": (
        "timeout",
        "placements/crm_lead_detail_tab.py: stopped at its limit of 1.5 s ([placements.crm_lead_detail_tab] "
        "timeout_s). Look for a loop that never ends. The employee was shown that the page failed. [timeout]",
    ),
    "wrong.html": (
        "error",
        "templates/wrong.html:2: 'nothing' is undefined. Put it into the context, or write {{ name|default(\"\") }} "
        "where it may be missing. The employee was shown that the page failed. [error]",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_template_that_fails(server: Server, bitrix24: Bitrix24, acme: Account, name: str) -> None:
    """
    It ends at its limit, with its file and line where it has one; the next page is made all the same.
    """
    reply = opened(server, bitrix24, acme, "CRM_LEAD_DETAIL_TAB", {"t": name})
    after = opened(server, bitrix24, acme, "CRM_LEAD_DETAIL_TAB", {"t": "whole.html"})

    run_id = reply.headers["Hookd-Run-Id"]
    server.wait(lambda: any(line["run"] == run_id for line in server.lines("run")), "the run's log line")
    [line] = [line for line in server.lines("run") if line["run"] == run_id]
    assert (line["reason"], line["error"]) == FAILING[name]
    assert "Страница не получилась" in reply.text
    assert after.text.startswith("<!doctype html><title>mine</title>")


def test_a_hook_that_returns_nothing(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    There is nothing to show, and a page says so.
    """
    reply = opened(server, bitrix24, acme, "CRM_DEAL_DETAIL_TAB", {"ID": "1"})

    assert (reply.status_code, reply.headers["Hookd-Outcome"]) == (200, "unchanged")
    assert "<h1>Показать нечего</h1>" in reply.text


def test_a_hostile_domain_frames_nothing(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    The host in the request is a claim: the page is framed by the portal that is known, and nothing else is asked.
    """
    bitrix24.contacts.clear()

    reply = opened(server, bitrix24, acme, "CALL_CARD", {"PHONE_NUMBER": "1"}, DOMAIN="evil.example; script-src *")

    policy = reply.headers["Content-Security-Policy"]
    assert "evil" not in policy
    assert "evil" not in re.sub('value="[^"]*"', "", reply.text)
    assert policy.endswith(f"frame-ancestors 'self' http://{bitrix24.domain(acme)}")
    assert all(contact.startswith("GET /oauth-") for contact in bitrix24.contacts)


def test_no_token_is_in_what_is_kept_of_a_page(server: Server, bitrix24: Bitrix24, acme: Account) -> None:
    """
    Neither in the log nor in the files of the state directory: not the employee's, and not the page's own.
    """
    fields = bitrix24.widget(acme, "CALL_CARD", {"PHONE_NUMBER": "104"})

    page = bitrix24.open(f"{server.url}/bitrix24/placement", fields)
    filled(server, ticket(page.text), note="kept")

    files = [path.read_bytes() for path in (server.directory / "var").rglob("*") if path.is_file()]
    for secret in (fields["AUTH_ID"], fields["REFRESH_ID"], acme.application_token, ticket(page.text)):
        assert secret not in server.log()
        assert not [file for file in files if secret.encode() in file]
    assert fields["AUTH_ID"] not in page.text
