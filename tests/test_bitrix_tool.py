"""
The tool `bitrix`: whom it asks, what it answers and says; what it may not ask; a portal that hangs, floods and tells.
"""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd.answers import pretend
from hookd.portal import forms
from hookd.portal.envelopes import read_event
from hookd.portal.limits import Limits
from hookd.portal.oauth import App
from hookd.portal.trust import Terms
from hookd.settings import DEFAULT_SITE
from hookd.tools import Tools
from hookd.tools.bitrix import Bitrix
from hookd.tools.resolver import Resolver
from tests.portal import payloads
from tests.portal.server import APP_ID, APP_SECRET, Account, Bitrix24, Refusal
from tests.test_http_tool import Peer, Serve, drip, drip_head, respond, silence
from tests.test_http_tool import cut as cut_off
from tests.test_http_tool import reset as hang_up
from tests.test_tools import HOOK, POINT, hook
from tests.test_worker import Loop

SECRET = "wh0okcanary12345"
APP_CONFIG = f'[site]\nbitrix_app_id = "{APP_ID}"\nbitrix_app_secret = "{APP_SECRET}"\n'
TERMS = Terms(DEFAULT_SITE, App(APP_ID, APP_SECRET))


@pytest.fixture(scope="module")
def acme(bitrix24: Bitrix24) -> Account:
    return bitrix24.add("acme", webhooks={SECRET: 1})


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, bitrix24: Bitrix24, acme: Account) -> Iterator[Loop]:
    """A service whose site is asked as the app that the portal has installed."""
    found = Loop(tmp_path_factory.mktemp("app"), APP_CONFIG, timeout_s=20, authorities=bitrix24.addresses)
    install(found, bitrix24, acme)
    yield found
    found.close()


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory, bitrix24: Bitrix24, acme: Account) -> Iterator[Loop]:
    """A service whose site has an incoming webhook, and may not ask everything."""
    found = Loop(tmp_path_factory.mktemp("webhook"), by_webhook(f"{bitrix24.endpoint(acme)}1/{SECRET}/"), timeout_s=20)
    yield found
    found.close()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """A portal that does what a test says."""
    found = Peer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, peer: Peer) -> Iterator[Loop]:
    """A service whose portal that is."""
    found = Loop(tmp_path_factory.mktemp("bad"), by_webhook(f"{peer.url}/rest/1/{SECRET}/"), timeout_s=20)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def fresh(bitrix24: Bitrix24, acme: Account) -> None:
    """Each test begins with 120 leads, and a portal that nobody has asked for a while."""
    acme.items = {"crm.lead": {n: {"ID": str(n), "TITLE": f"Lead {n}", "PHONE": "+79001234567"} for n in range(1, 121)}}
    acme.calls.clear()
    acme.level = 0.0
    bitrix24.contacts.clear()
    bitrix24.failures.clear()
    bitrix24.slow_s = 0.0


def by_webhook(url: str) -> str:
    return f'[site]\nbitrix_webhook = "{url}"\nbitrix_methods = ["crm.*", "profile", "test.broken"]\n'


def install(loop: Loop, bitrix24: Bitrix24, account: Account) -> None:
    fields = bitrix24.event(account, "ONAPPINSTALL", {"VERSION": 1})
    loop.service.portal.trust.check_event(TERMS, read_event(forms.parse(payloads.form(fields))))
    bitrix24.contacts.clear()


def host(bitrix24: Bitrix24) -> str:
    return bitrix24.url.removeprefix("http://")


def asked(loop: Loop, body: str, **options: Any) -> Any:
    """What *body* prints, as plain data."""
    run = loop.run(hook(f"import json\n{body}", "bitrix"), **options)
    assert run.error is None, str(run.error)
    return json.loads(run.printed)


def told(loop: Loop, body: str, **options: Any) -> str:
    """The error of a hook that does *body*, without what the call got instead."""
    run = loop.run(hook(body, "bitrix"), **options)
    assert run.error is not None, run.reply
    return str(run.error).replace(f" {run.error.kept}", "")


def printing(expression: str) -> str:
    return f"print(json.dumps({expression}))"


# --- what is asked, and what comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["app", "webhook"])
def test_a_hook_asks_the_portal(request: pytest.FixtureRequest, kind: str, acme: Account) -> None:
    """
    Parameters are named, or come as a dict; the answer is what the portal has as its result.
    """
    loop: Loop = request.getfixturevalue(kind)
    body = (
        "number = bitrix.call('crm.lead.add', fields={'TITLE': 'A & B', 'PHONE': [{'VALUE': request['phone']}]})\n"
        "bitrix.call('crm.lead.update', {'id': number, 'fields': {'TITLE': 'C'}}, timeout_s=5)\n"
        "bitrix.call('crm.lead.update', {'id': number}, fields={'SOURCE': 'CALL'})\n"
        "lead = bitrix.call(method='crm.lead.get', id=number)\n"
        "print(json.dumps([number, lead, bitrix.call('profile')]))"
    )

    found = asked(loop, body)

    lead = {"ID": "121", "TITLE": "C", "PHONE": [{"VALUE": "1"}], "SOURCE": "CALL"}
    assert found == [121, lead, {"ID": "1", "ADMIN": True}]
    assert acme.calls == ["crm.lead.add", "crm.lead.update", "crm.lead.update", "crm.lead.get", "profile"]


def test_lists_are_read_page_after_page(app: Loop, acme: Account) -> None:
    """
    All rows up to the limit, and no page more than that needs.
    """
    everything = asked(app, printing("[one['ID'] for one in bitrix.list('crm.lead.list', select=['ID'])]"))
    some = asked(app, printing("[one['ID'] for one in bitrix.list('crm.lead.list', limit=60)]"))

    assert everything == [str(number) for number in range(1, 121)]
    assert some == everything[:60]
    assert acme.calls == ["crm.lead.list"] * 5


def test_a_batch_is_one_request(app: Loop, acme: Account, bitrix24: Bitrix24) -> None:
    """
    Calls have names or their place, later ones use what earlier ones answered, and the answers come likewise.
    """
    named = (
        "{'who': 'user.current', 'new': ('crm.lead.add', {'fields': {'ASSIGNED_BY_ID': '$result[who][ID]'}}), "
        "'lead': ['crm.lead.get', {'id': '$result[new]'}]}"
    )

    by_name = asked(app, printing(f"bitrix.batch({named})"))
    by_place = asked(app, printing("bitrix.batch([('crm.lead.get', {'id': 7}), 'profile'])"))
    nothing = asked(app, printing("[bitrix.batch({}), bitrix.batch([])]"))

    assert by_name == {
        "who": {"ID": "1", "NAME": "User 1"},
        "new": 121,
        "lead": {"ASSIGNED_BY_ID": "1", "ID": "121"},
    }
    assert by_place == [acme.items["crm.lead"][7], {"ID": "1", "ADMIN": True}]
    assert nothing == [{}, []]
    assert bitrix24.contacts == ["POST /portal/acme/rest/batch"] * 2


def test_a_batch_ends_at_its_first_error_or_goes_on(app: Loop, acme: Account) -> None:
    """
    Nothing is done after an error that the hook does not expect; one that it does expect stands where an answer would.
    """
    calls = "[('crm.lead.get', {'id': 7}), ('crm.lead.get', {'id': 999}), ('crm.lead.add', {'fields': {}})]"

    error = told(app, f"bitrix.batch({calls})")
    count = len(acme.items["crm.lead"])
    found = asked(app, printing(f"bitrix.batch({calls}, strict=False)"))

    assert error == (
        f"{HOOK}:2: bitrix.batch: 1: crm.lead.get: (Not found). What stands before it was done, what stands after it "
        'was not. With strict=False the others go on, and {"error": …} is in its place. [error]'
    )
    assert count == 120
    assert found == [acme.items["crm.lead"][7], {"error": "(Not found)"}, 121]


def test_calls_are_in_the_record(app: Loop) -> None:
    """
    By method, without parameters.
    """
    body = (
        "bitrix.call('crm.lead.get', id=7)\nbitrix.list('crm.lead.list', filter={'PHONE': '+79001234567'})\n"
        "bitrix.batch({'a': 'profile', 'b': ('crm.lead.get', {'id': 1}), 'c': ('crm.lead.get', {'id': 2})})\n"
    )

    run = app.run(hook(body, "bitrix"))

    assert [(call.name, call.error, call.pretended) for call in run.calls] == [
        ("bitrix.call crm.lead.get", "", None),
        ("bitrix.list crm.lead.list", "", None),
        ("bitrix.batch profile, crm.lead.get", "", None),
    ]


def test_commands_only_say_what_they_would_ask(app: Loop, bitrix24: Bitrix24) -> None:
    """
    Nothing is sent, reading included: somebody else would learn of it.
    """
    body = (
        "found = [bitrix.call('crm.lead.get', id=7), bitrix.list('crm.lead.list')]\n"
        "found += [bitrix.batch({'a': 'profile'}), bitrix.batch(['profile'])]\n"
        f"{printing('found')}"
    )

    found = asked(app, body, stand_in=pretend)
    run = app.run(hook("bitrix.call('crm.lead.get', id=7)", "bitrix"), stand_in=pretend)

    assert found == [{}, [], {"a": {}}, [{}]]
    assert [call.pretended for call in run.calls] == [
        {"method": "crm.lead.get", "params": {"id": 7}, "timeout_s": None}
    ]
    assert bitrix24.contacts == []


# --- tokens and limits -------------------------------------------------------------------------------------------


def test_a_token_that_expired_is_renewed(app: Loop, bitrix24: Bitrix24) -> None:
    """
    A hook does not notice.
    """
    before = bitrix24.renewals
    bitrix24.expire_all()

    found = asked(app, printing("[bitrix.call('profile')['ID'], bitrix.call('profile')['ID']]"))

    assert (found, bitrix24.renewals - before) == (["1", "1"], 1)


def test_a_portal_s_limit_is_waited_for_or_told(app: Loop, bitrix24: Bitrix24, acme: Account) -> None:
    """
    A call that was refused for the limit is made again if there is time for that, and else says so at once.
    """
    bitrix24.failures["profile"] = [Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")]

    found = asked(app, printing("bitrix.call('profile')['ID']"))
    Limits(app.service.settings.state).note_full(host(bitrix24))
    error = told(app, "bitrix.call('profile')", limit_s=1.0)

    assert (found, acme.calls) == ("1", ["profile", "profile"])
    assert re.sub(r"\d\.\d s", "N s", error) == (
        f"{HOOK}:2: bitrix.call: {host(bitrix24)}: profile would have to wait N s for the portal's limit of 2 requests "
        "a second. Ask for several things at once with batch, or do it in a job. [error]"
    )


# --- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "bitrix.call('crm.lead.get', id=999)",
            "bitrix.call: HOST: crm.lead.get: (Not found). Deal with it: try: … except Exception: …",
        ),
        (
            "bitrix.call('crm.leed.fetch')",
            "bitrix.call: HOST: crm.leed.fetch: ERROR_METHOD_NOT_FOUND (Method not found!). Look up the method's name "
            "in Bitrix24's REST reference; the app may lack its scope.",
        ),
        (
            "bitrix.call('user.get', ID=1)",
            "bitrix.call: user.get: the site's settings do not allow this method; bitrix_methods = "
            "['crm.*', 'profile', 'test.broken']. The operator adds it.",
        ),
        (
            "bitrix.list('user.get')",
            "bitrix.list: user.get: the site's settings do not allow this method; bitrix_methods = "
            "['crm.*', 'profile', 'test.broken']. The operator adds it.",
        ),
        (
            "bitrix.batch(['profile', 'user.get'])",
            "bitrix.batch: user.get: the site's settings do not allow this method; bitrix_methods = "
            "['crm.*', 'profile', 'test.broken']. The operator adds it.",
        ),
        (
            "bitrix.call('batch', cmd={'a': 'user.get'})",
            "bitrix.call: batch is no method to call. Use bitrix.batch.",
        ),
        (
            "bitrix.call('../../oauth/token')",
            "bitrix.call: '../../oauth/token' is no name of a method, such as crm.lead.get. "
            "Bitrix24's REST reference names the methods.",
        ),
        (
            "bitrix.call('crm.lead.get', auth='x')",
            "bitrix.call: auth is not yours to set. Leave it out: the portal is asked with the site's own token or "
            "webhook.",
        ),
        (
            "bitrix.batch([('crm.lead.get', {'AUTH': 'x'})])",
            "bitrix.batch: AUTH is not yours to set. Leave it out: the portal is asked with the site's own token or "
            "webhook.",
        ),
        (
            "bitrix.list('crm.lead.list', start=50)",
            "bitrix.list: start is not yours to set. Leave it out: all pages are read, up to limit=… rows.",
        ),
        (
            "bitrix.list('crm.lead.get', id=1)",
            "bitrix.list: crm.lead.get: answers no list. Use bitrix.call.",
        ),
        (
            "bitrix.list('crm.lead.list', limit=5001)",
            "bitrix.list: limit is an integer from 1 to 5000. "
            "Write bitrix.list(method, limit=500, timeout_s=None, **params).",
        ),
        (
            "bitrix.call('profile', timeout=1)",
            "bitrix.call has no timeout; did you mean timeout_s? If the method has such a parameter, hand over a dict: "
            'bitrix.call("…", {"name": …}).',
        ),
        (
            "bitrix.call('crm.lead.get', {'id': 1}, id=2)",
            "bitrix.call is given id twice. Name it, or have it in the dict.",
        ),
        (
            "bitrix.call('crm.lead.get', 7)",
            "bitrix.call: params is a dict, not int. Write bitrix.call(method, timeout_s=None, **params).",
        ),
        (
            "bitrix.call(id=7)",
            "bitrix.call is called without method. Write bitrix.call(method, timeout_s=None, **params).",
        ),
        (
            "bitrix.call('profile', a={1})",
            "bitrix.call: params.a: a value of type set is no plain data. Write sorted(value).",
        ),
        (
            "bitrix.batch({'lead': {'id': 7}})",
            "bitrix.batch: lead is no method and its parameters. "
            'Write {"lead": ["crm.lead.get", {"id": 17}]}, or a list of such pairs.',
        ),
        (
            "bitrix.batch(['profile'] * 51)",
            "bitrix.batch: batch: 51 commands; 50 at most. Make several batches.",
        ),
        (
            "bitrix.batch({'a b': 'profile'})",
            "bitrix.batch: batch: 'a b' is no name of a command: letters, digits and _. "
            'Write {"lead": ["crm.lead.get", {"id": 17}]}, or a list of such pairs.',
        ),
        (
            "bitrix.call('test.broken')",
            "bitrix.call: HOST: its answer is longer than 4 MB. Ask for less.",
        ),
    ],
)  # fmt: skip
def test_errors_teach(webhook: Loop, bitrix24: Bitrix24, call: str, message: str) -> None:
    """
    The portal's own code and words, or what is allowed, and what to do.
    """
    assert told(webhook, call) == f"{HOOK}:2: {message.replace('HOST', host(bitrix24))} [error]"


def test_a_list_is_no_longer_than_an_answer(webhook: Loop, acme: Account) -> None:
    """
    Pages of long rows end before they fill the memory.
    """
    for lead in acme.items["crm.lead"].values():
        lead["COMMENTS"] = "x" * 60_000

    assert told(webhook, "bitrix.list('crm.lead.list')") == (
        f"{HOOK}:2: bitrix.list: crm.lead.list: 100 items have more than 4 MB. Ask for fewer, or for less of each: "
        "select. [error]"
    )


def test_whose_portal_it_is_has_to_be_clear(tmp_path: Path, bitrix24: Bitrix24, acme: Account) -> None:
    """
    A site without a portal, or with several, is told so; nobody is asked.
    """
    loop = Loop(tmp_path, APP_CONFIG, timeout_s=20, authorities=bitrix24.addresses)
    try:
        none = told(loop, "bitrix.call('profile')")
        install(loop, bitrix24, acme)
        install(loop, bitrix24, bitrix24.add("second"))
        several = told(loop, "bitrix.call('profile')")
    finally:
        loop.close()

    assert none == (
        f"{HOOK}:2: bitrix.call: site default: no portal has installed hookd's app. Install it, or set "
        "bitrix_webhook_file to the file with the address of an incoming webhook. [error]"
    )
    assert several == (
        f"{HOOK}:2: bitrix.call: site default: there are several portals, and it is not said which: {host(bitrix24)}, "
        f"{host(bitrix24)}. Give each portal a site of its own, or set bitrix_webhook_file. [error]"
    )
    assert bitrix24.contacts == []


def test_a_portal_that_is_slow_is_named(app: Loop, bitrix24: Bitrix24) -> None:
    """
    Without a timeout_s the run is stopped and says where its time went; with one the hook goes on.
    """
    bitrix24.slow_s = 2.0

    stopped = app.run(hook("bitrix.call('crm.lead.get', id=1)", "bitrix"), limit_s=1.0)
    body = "try:\n    bitrix.call('profile', timeout_s=0.2)\nexcept Exception as error:\n    print(error)\n"
    went_on = app.run(hook(f"{body}return {{'phone': '2'}}", "bitrix"))

    assert re.sub(r"\d\.\d\d s", "N s", str(stopped.error)) == (
        f"{HOOK}: stopped at its limit of 1 s ([points.process_client_phone] timeout_s); N s went into bitrix.call "
        f"crm.lead.get. Give bitrix a timeout_s, and go on without the answer: try: … except Exception: … {POINT.kept} "
        "[timeout]"
    )
    assert [(call.name, call.error) for call in stopped.calls] == [
        ("bitrix.call crm.lead.get", "the run ended before the answer")
    ]
    assert went_on.reply["data"] == {"phone": "2"}
    assert went_on.printed == (
        "bitrix.call profile: no answer within 0.2 s (timeout_s). "
        "Give it longer, or go on without: try: … except Exception: …\n"
    )


def garbage(one: Any, _: bytes) -> None:
    respond(one, b"<html>")


@pytest.mark.parametrize(
    ("serve", "message"),
    [
        (silence, "bitrix.call profile: no answer within 0.3 s (timeout_s). Give it longer, or go on without"),
        (drip, "bitrix.call profile: no answer within 0.3 s (timeout_s). Give it longer, or go on without"),
        (drip_head, "bitrix.call profile: no answer within 0.3 s (timeout_s). Give it longer, or go on without"),
        (hang_up, "bitrix.call: HOST: cannot be reached ("),
        (cut_off, "bitrix.call: HOST: cannot be reached ("),
        (garbage, "bitrix.call: HOST: profile: answers no JSON (status 200)."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_hook_outlasts_a_bad_portal(bad: Loop, peer: Peer, serve: Serve, message: str) -> None:
    """
    Whatever the portal does, the hook is told within its time and answers.
    """
    peer.serve = serve
    body = "try:\n    bitrix.call('profile', timeout_s=0.3)\nexcept Exception as error:\n    print(error)\n"

    run = bad.run(hook(f"{body}return {{'phone': '2'}}", "bitrix"), limit_s=5.0)

    assert (run.outcome, run.reply["data"]) == ("ok", {"phone": "2"})
    assert run.printed.startswith(message.replace("HOST", f"127.0.0.1:{peer.port}"))
    assert SECRET not in repr(run)


def test_a_name_server_that_is_silent_keeps_no_tool(tmp_path: Path) -> None:
    """
    The hook goes on at its own limit; however many wait for the name, one thread asks for it, and none of the tools'.
    """
    release, looked_up = threading.Event(), []

    def hang(name: str) -> list[str]:
        looked_up.append(name)
        release.wait(20)
        return []

    loop = Loop(tmp_path, by_webhook(f"https://portal.example.org/rest/1/{SECRET}/"), timeout_s=20)
    resolver = Resolver(hang)
    loop.service.broker.tools = Tools({"bitrix": Bitrix(loop.service.portal, resolver).methods()})
    body = "try:\n    bitrix.call('profile', timeout_s=0.1)\nexcept Exception as error:\n    print(error)\n"
    try:
        runs = [loop.run(hook(f"{body}return {{'phone': '2'}}", "bitrix")) for _ in range(3)]
    finally:
        release.set()
        resolver.close()
        loop.close()

    assert [run.reply["data"] for run in runs] == [{"phone": "2"}] * 3
    assert {*"".join(run.printed for run in runs).splitlines()} <= {
        "bitrix.call profile: no answer within 0.1 s (timeout_s). "
        "Give it longer, or go on without: try: … except Exception: …",
        "bitrix.call: no name server told the address of portal.example.org in time. "
        "Look at the machine's name servers: `getent hosts` asks them.",
    }
    assert looked_up == ["portal.example.org"]


# --- secrets -----------------------------------------------------------------------------------------------------


def test_what_a_portal_tells_of_the_secret_goes_nowhere(bad: Loop, peer: Peer) -> None:
    """
    A portal that has the address of its webhook in its answers and errors does not give it to the hook.
    """

    def echo(one: Any, request: bytes) -> None:
        error = {"error": "ODD", "error_description": f"https://acme/rest/1/{SECRET}/profile"}
        document = error if b"/profile" in request else {"result": {"handler": f"/1/{SECRET}/", SECRET: [SECRET]}}
        respond(one, json.dumps(document).encode())

    peer.serve = echo

    found = asked(bad, printing("bitrix.call('crm.lead.get')"))
    error = told(bad, "bitrix.call('profile')")

    assert found == {"handler": "/1/***/", "***": ["***"]}
    assert error == (
        f"{HOOK}:2: bitrix.call: 127.0.0.1:{peer.port}: profile: ODD (https://acme/rest/1/***/profile). Deal with it: "
        "try: … except Exception: … [error]"
    )


def test_what_a_portal_tells_of_the_token_goes_nowhere(app: Loop, bitrix24: Bitrix24, acme: Account) -> None:
    """
    The same of an app's tokens, in an answer, an error, and an error within a batch.
    """
    token = app.service.portal.portals.tokens(DEFAULT_SITE, acme.member_id).access
    acme.items["crm.lead"][1]["TITLE"] = token
    bitrix24.failures["profile"] = [Refusal(400, "ODD", f"token {token}")]

    found = asked(app, printing("bitrix.batch([('crm.lead.get', {'id': 1})])"))
    error = told(app, "bitrix.call('profile')")

    assert found == [{"ID": "1", "TITLE": "***", "PHONE": "+79001234567"}]
    assert "bitrix.call: " in error
    assert error.endswith("profile: ODD (token ***). Deal with it: try: … except Exception: … [error]")
