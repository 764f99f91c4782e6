"""
A portal is believed for what it proves; a stranger gets nothing kept and nobody asked.
"""

import dataclasses
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import BusyError, UntrustedError
from hookd.portal.envelopes import Event, Placement, read_event, read_placement
from hookd.portal.forms import parse
from hookd.portal.oauth import App, OAuth
from hookd.portal.portals import PROOFS_MAX, Portal
from hookd.portal.trust import Terms
from hookd.storage import NAME
from tests.portal import payloads
from tests.portal.fixtures import APP, SITE, Side, side
from tests.portal.server import Account, Bitrix24, Refusal

ASKED = "GET /oauth-info/rest/app.info/"
UNKNOWN = (
    "site default: auth[application_token] is none that this portal has. Install the app there anew, or, for an "
    "outgoing webhook, put its token into bitrix_event_tokens."
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Side]:
    """hookd, and a Bitrix24 with nothing installed."""
    with Bitrix24() as bitrix24:
        made = side(bitrix24, tmp_path / "var")
        yield made
        made.close()


@pytest.fixture
def acme(here: Side) -> Account:
    """A portal that has not installed the app."""
    return here.bitrix24.add("acme")


@pytest.fixture
def installed(here: Side, acme: Account) -> Account:
    """A portal that has."""
    here.trust.check_event(here.terms, event(here, acme, "ONAPPINSTALL"))
    here.bitrix24.contacts.clear()
    return acme


def event(here: Side, account: Account, code: str = "ONCRMLEADADD", **changes: Any) -> Event:
    """Return an event as it comes over the wire; *changes* are of its auth."""
    fields = here.bitrix24.event(account, code, {"FIELDS": {"ID": 1}})
    auth = {**fields["auth"], **changes}
    return read_event(parse(payloads.form({**fields, "auth": auth})))


def placement(here: Side, account: Account, *, is_old: bool = False, **changes: str) -> Placement:
    fields = here.bitrix24.widget(account, "CALL_CARD", {"CALL_ID": "c"}, is_old=is_old) | changes
    query, body = payloads.split({name: value for name, value in fields.items() if value})
    return read_placement(query, body)


def kept(here: Side) -> dict[str, Any]:
    """Return all that is kept of portals."""
    portals = here.portals.all(SITE)
    return {
        portal.member_id: (portal.endpoint, here.portals.tokens(SITE, portal.member_id).access) for portal in portals
    }


def test_install_is_confirmed_before_anything_is_kept(here: Side, acme: Account) -> None:
    """
    The authorization server says whose token it is and where the portal is; then it is kept, its tokens unreadable.
    """
    found = event(here, acme, "ONAPPINSTALL", domain="evil.example", client_endpoint=f"{here.bitrix24.url}/evil/")

    here.trust.check_event(here.terms, found)

    portal = here.portals.find(SITE, acme.member_id)
    assert here.bitrix24.contacts == [ASKED]
    assert portal is not None
    assert dataclasses.replace(portal, installed_at=0.0) == Portal(
        site=SITE,
        member_id=acme.member_id,
        endpoint=here.bitrix24.endpoint(acme),
        server="oauth.bitrix.info",
        status="L",
        scopes=("crm", "placement", "telephony"),
        user_id=1,
        installed_at=0.0,
        version="1",
        trouble="",
    )
    tokens = here.portals.tokens(SITE, acme.member_id)
    assert (tokens.access, tokens.refresh) == (found.claim.access_token, found.claim.refresh_token)
    files = b"".join((here.state / name).read_bytes() for name in os.listdir(here.state) if name.startswith(NAME))
    assert acme.member_id.encode() in files
    for secret in (tokens.access, tokens.refresh, acme.application_token):
        assert secret.encode() not in files
        assert secret not in f"{portal!r} {tokens!r}"


@pytest.mark.parametrize("server", ["oauth.bitrix.info", "oauth.bitrix24.tech"])
def test_asks_the_portal_s_own_server(here: Side, server: str) -> None:
    """
    What a request says of its server chooses between the two; without it, both are asked.
    """
    account = here.bitrix24.add("acme", server=server)

    here.trust.check_event(here.terms, event(here, account, "ONAPPINSTALL"))
    named = list(here.bitrix24.contacts)
    here.portals.uninstall(SITE, account.member_id)
    here.bitrix24.contacts.clear()
    here.trust.check_event(
        here.terms, event(here, account, "ONAPPINSTALL", server_endpoint="https://evil.example/rest/")
    )

    path = {"oauth.bitrix.info": "oauth-info", "oauth.bitrix24.tech": "oauth-tech"}[server]
    assert named == [f"GET /{path}/rest/app.info/"]
    assert here.bitrix24.contacts[-1] == f"GET /{path}/rest/app.info/"
    assert {contact.partition("/rest")[0] for contact in here.bitrix24.contacts} <= {
        "GET /oauth-info",
        "GET /oauth-tech",
    }


Break = Callable[[Side, Account], Event]
STRANGERS: dict[str, tuple[Break, list[str]]] = {
    "unknown portal": (lambda here, acme: event(here, acme), []),
    "no token": (lambda here, acme: event(here, acme, application_token=""), []),
    "uninstall of an unknown portal": (lambda here, acme: event(here, acme, "ONAPPUNINSTALL"), []),
    "install without an application token": (
        lambda here, acme: event(here, acme, "ONAPPINSTALL", application_token=""),
        [],
    ),
    "install without an access token": (lambda here, acme: event(here, acme, "ONAPPINSTALL", access_token=None), []),
    "install without a refresh token": (lambda here, acme: event(here, acme, "ONAPPINSTALL", refresh_token=None), []),
    "invented token": (lambda here, acme: event(here, acme, "ONAPPINSTALL", access_token="f" * 70), [ASKED]),
    "token of another app": (
        lambda here, acme: event(
            here, acme, "ONAPPINSTALL", access_token=here.bitrix24.issue(acme, app_id="local.other").access
        ),
        [ASKED],
    ),
    "token of another portal": (
        lambda here, acme: event(
            here, acme, "ONAPPINSTALL", access_token=here.bitrix24.issue(here.bitrix24.add("other")).access
        ),
        [ASKED],
    ),
}


@pytest.mark.parametrize(("make", "contacts"), STRANGERS.values(), ids=STRANGERS)
def test_keeps_nothing_of_strangers(here: Side, acme: Account, make: Break, contacts: list[str]) -> None:
    """
    Whoever proves nothing leaves no trace, and nobody is asked but, for an install, the authorization server.
    """
    stranger = make(here, acme)

    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, stranger)

    assert (kept(here), here.bitrix24.contacts) == ({}, contacts)


def test_says_the_same_to_every_stranger(here: Side, installed: Account) -> None:
    """
    A wrong token and an unknown portal are told the same: nobody learns which portals there are.
    """
    strangers = [
        event(here, installed, application_token="0" * 32),
        event(here, installed, application_token=""),
        event(here, here.bitrix24.add("other")),
    ]

    for stranger in strangers:
        with pytest.raises(UntrustedError) as caught:
            here.trust.check_event(here.terms, stranger)
        assert str(caught.value) == UNKNOWN
    assert here.bitrix24.contacts == []


def test_takes_events_of_installed_portals(here: Side, installed: Account) -> None:
    """
    The application token is the proof, whoever caused the event; nobody has to be asked.
    """
    here.trust.check_event(here.terms, event(here, installed))
    here.trust.check_event(here.terms, event(here, installed, access_token=None, status=None, scope=None))

    assert here.bitrix24.contacts == []


def test_a_portal_counts_for_its_site_alone(here: Side, installed: Account) -> None:
    """
    Nothing crosses a site.
    """
    with pytest.raises(UntrustedError):
        here.trust.check_event(Terms("acme", APP), event(here, installed))
    assert here.portals.all("acme") == []


def test_a_replayed_install_changes_nothing(here: Side, installed: Account) -> None:
    """
    A known portal is overwritten by nothing that is not confirmed anew.
    """
    before = kept(here)
    here.bitrix24.expire_all()
    forged = event(here, installed, "ONAPPINSTALL", application_token="e" * 32, access_token="f" * 70)

    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, forged)

    assert kept(here) == before
    assert not here.portals.is_proof(SITE, installed.member_id, "e" * 32)
    assert here.portals.is_proof(SITE, installed.member_id, installed.application_token)


def test_what_another_process_forgets_is_no_proof(here: Side, installed: Account) -> None:
    """
    What was found is remembered only as long as nobody, in whichever process, has changed what is kept.
    """
    token, hook, webhook = installed.application_token, "w" * 32, "hooked"
    code = (
        "import sys; from pathlib import Path; from hookd.portal.portals import Portals; "
        "Portals(Path(sys.argv[1])).uninstall(*sys.argv[2:])"
    )

    def believed() -> list[bool]:
        return [
            here.portals.is_proof(SITE, installed.member_id, token),
            here.portals.is_proof(SITE, webhook, token),
            here.portals.add_webhook(SITE, webhook, hook),
            here.portals.add_webhook(SITE, installed.member_id, hook),
        ]

    before = [believed() for _ in range(3)]
    command = [sys.executable, "-c", code, str(here.state), SITE, installed.member_id]
    subprocess.run(command, check=True, timeout=60)

    assert before == [[True, False, True, False]] * 3
    assert believed() == [False, False, True, False]


def test_a_database_that_was_closed_is_opened_again(here: Side, installed: Account) -> None:
    """
    Whoever is still at work when hookd stops gets an answer.
    """
    proof = SITE, installed.member_id, installed.application_token
    before = here.portals.is_proof(*proof)
    here.portals.close()

    assert (before, here.portals.is_proof(*proof)) == (True, True)


def test_an_employee_cannot_install_anew(here: Side, installed: Account) -> None:
    """
    Everybody who opens a page holds a token that is confirmed; only an administrator's replaces what is kept.
    """
    before = kept(here)
    employee, administrator = (here.bitrix24.issue(installed, user_id) for user_id in (5, 2))
    installed.users[2] = True

    def install(tokens: Any, proof: str) -> None:
        changes = {"application_token": proof, "access_token": tokens.access, "refresh_token": tokens.refresh}
        here.trust.check_event(here.terms, event(here, installed, "ONAPPINSTALL", **changes))

    with pytest.raises(UntrustedError, match="only an administrator of the portal can install the app anew"):
        install(employee, "e" * 32)
    after_employee = kept(here)
    install(administrator, "a" * 32)

    assert after_employee == before
    assert kept(here)[installed.member_id][1] == administrator.access
    assert here.portals.is_proof(SITE, installed.member_id, "a" * 32)


def test_an_update_brings_a_new_token(here: Side, installed: Account) -> None:
    """
    After it both are good for a while: events with the old one are still under way. Only the last few are kept.
    """
    tokens = [installed.application_token]
    for number in range(PROOFS_MAX):
        installed.application_token = f"{number:032d}"
        tokens.append(installed.application_token)
        here.trust.check_event(here.terms, event(here, installed, "ONAPPUPDATE"))

    assert [here.portals.is_proof(SITE, installed.member_id, token) for token in tokens] == [
        False,
        *[True] * PROOFS_MAX,
    ]


def test_an_update_of_a_proven_portal_counts_without_the_server(here: Side, installed: Account) -> None:
    """
    An event that proves itself is not lost over an authorization server that is not there; what is kept stays.
    """
    before = kept(here)
    found = event(here, installed, "ONAPPUPDATE")
    here.bitrix24.expire_all()

    here.trust.check_event(here.terms, found)

    assert kept(here) == before


def test_uninstall_forgets_everything(here: Side, installed: Account) -> None:
    """
    After it the portal is a stranger; it was asked once, and its tokens had not worked any more.
    """
    here.bitrix24.remove(installed)

    here.trust.check_event(here.terms, event(here, installed, "ONAPPUNINSTALL"))

    asked = list(here.bitrix24.contacts)
    assert kept(here) == {}
    assert asked == ["POST /portal/acme/rest/app.info", "GET /oauth-info/oauth/token/"]
    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, event(here, installed))


def test_a_forged_uninstall_forgets_nothing(here: Side, installed: Account) -> None:
    """
    Employees see the application token in each page: where the app works, it was not removed. One request a minute.
    """
    before, calls = kept(here), len(installed.calls)

    for _ in range(3):
        with pytest.raises(UntrustedError, match="the portal still takes the app's token"):
            here.trust.check_event(here.terms, event(here, installed, "ONAPPUNINSTALL"))

    assert (kept(here), installed.calls[calls:]) == (before, ["app.info"])
    here.trust.check_event(here.terms, event(here, installed))


def test_a_forged_uninstall_finds_no_gap_between_two_tokens(here: Side, installed: Account) -> None:
    """
    An access token is good for an hour, and nobody renews it before it is needed: an old one proves nothing.
    """
    before = kept(here)
    here.bitrix24.expire_all()

    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, event(here, installed, "ONAPPUNINSTALL"))

    [(endpoint, access)] = kept(here).values()
    assert (endpoint, here.bitrix24.renewals) == (before[installed.member_id][0], 1)
    assert access != before[installed.member_id][1]


def test_an_uninstall_that_comes_late_forgets_no_new_installation(here: Side, installed: Account) -> None:
    """
    The queue keeps no order: an app that was removed and installed again stays.
    """
    late = event(here, installed, "ONAPPUNINSTALL")
    here.bitrix24.remove(installed)
    here.trust.check_event(here.terms, event(here, installed, "ONAPPINSTALL"))
    before = kept(here)

    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, late)

    assert kept(here) == before


REFUSALS = {
    "its tokens are unknown": (Refusal(401, "NO_AUTH_FOUND", "Wrong authorization data"), False),
    "too many requests": (Refusal(503, "OVERLOAD_LIMIT"), True),
    "its plan has ended": (Refusal(403, "ACCESS_DENIED", "REST is available only on commercial plans"), True),
    "whoever installed it has left": (Refusal(403, "user_access_error"), True),
    "something else": (Refusal(500, "INTERNAL_SERVER_ERROR"), True),
}


@pytest.mark.parametrize(("refusal", "is_kept"), REFUSALS.values(), ids=REFUSALS)
def test_an_uninstall_forgets_what_is_worth_nothing(
    here: Side, installed: Account, refusal: Refusal, is_kept: bool
) -> None:
    """
    Where the portal does not say that the tokens are, they are kept until they fail; the event counts all the same.
    """
    here.bitrix24.failures["app.info"] = [refusal]

    here.trust.check_event(here.terms, event(here, installed, "ONAPPUNINSTALL"))

    assert bool(kept(here)) is is_kept


def test_an_uninstall_of_a_portal_that_is_out_of_reach_forgets_nothing(here: Side, installed: Account) -> None:
    """
    Nobody can be asked: what is kept may still be good.
    """
    before, late = kept(here), event(here, installed, "ONAPPUNINSTALL")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/rest/"
    portal = here.portals.find(SITE, installed.member_id)
    assert portal is not None
    here.portals.move(dataclasses.replace(portal, endpoint=address))

    here.trust.check_event(here.terms, late)

    assert kept(here) == {installed.member_id: (address, before[installed.member_id][1])}


def test_an_uninstall_of_a_portal_whose_tokens_have_failed_forgets_it(here: Side, installed: Account) -> None:
    """
    That they are of no more use was known before; nobody is asked.
    """
    here.portals.note_trouble(SITE, installed.member_id, "oauth.bitrix.info: refuses: invalid_grant.")

    here.trust.check_event(here.terms, event(here, installed, "ONAPPUNINSTALL"))

    assert (kept(here), here.bitrix24.contacts) == ({}, [])


def test_takes_outgoing_webhooks_of_the_settings(here: Side, acme: Account) -> None:
    """
    Their tokens stand in the site's settings; each belongs to the portal that showed it first.
    """
    terms = Terms(SITE, App("", ""), ("w" * 32, "v" * 32))
    other = here.bitrix24.add("other")
    bare: dict[str, Any] = {"access_token": None, "scope": None, "status": None}

    here.trust.check_event(terms, event(here, acme, application_token="w" * 32, **bare))
    here.trust.check_event(terms, event(here, acme, application_token="v" * 32, **bare))
    here.trust.check_event(terms, event(here, acme, application_token="w" * 32, **bare))

    for stranger in (event(here, other, application_token="w" * 32), event(here, acme, application_token="")):
        with pytest.raises(UntrustedError):
            here.trust.check_event(terms, stranger)
    with pytest.raises(UntrustedError):
        here.trust.check_event(here.terms, event(here, acme, application_token="w" * 32))
    assert (kept(here), here.bitrix24.contacts) == ({}, [])


def test_takes_placements_by_the_application_token(here: Side, installed: Account) -> None:
    """
    Current portals show it, and nobody has to be asked.
    """
    portal = here.trust.check_placement(here.terms, placement(here, installed))

    assert (portal.member_id, here.bitrix24.contacts) == (installed.member_id, [])


def test_takes_placements_of_older_portals_by_the_user_s_token(here: Side, installed: Account) -> None:
    """
    Without an application token the user's is confirmed, once.
    """
    found = placement(here, installed, is_old=True)

    first = here.trust.check_placement(here.terms, found)
    second = here.trust.check_placement(here.terms, found)

    assert (first, second.member_id) == (second, installed.member_id)
    assert here.bitrix24.contacts == [ASKED]


def test_follows_a_portal_that_opens_pages_elsewhere(here: Side, installed: Account) -> None:
    """
    Its new host is what the authorization server says, not the page; a host that it does not confirm changes nothing.
    """
    liar = placement(here, installed, DOMAIN="evil.example")
    first, again = (here.trust.check_placement(here.terms, liar).host for _ in range(2))
    asked = list(here.bitrix24.contacts)
    installed.host = "localhost"

    moved = here.trust.check_placement(here.terms, placement(here, installed))

    assert (first, again, asked) == (moved.host.replace("localhost", "127.0.0.1"), first, [ASKED])
    assert moved.host == here.bitrix24.domain(installed)
    assert here.portals.find(SITE, installed.member_id) == moved


@pytest.mark.parametrize(
    "changes",
    [
        {"APPLICATION_TOKEN": "0" * 32},
        {"APPLICATION_TOKEN": "", "AUTH_ID": ""},
        {"APPLICATION_TOKEN": "", "AUTH_ID": "f" * 70},
        {"member_id": "0" * 32},
        {"member_id": "0" * 32, "APPLICATION_TOKEN": ""},
    ],
)
def test_refuses_placements_that_prove_nothing(here: Side, installed: Account, changes: dict[str, Any]) -> None:
    """
    A wrong token, an invented one, another portal's name: no page.
    """
    with pytest.raises(UntrustedError):
        here.trust.check_placement(here.terms, placement(here, installed, **changes))
    assert {*here.bitrix24.contacts} <= {ASKED, "GET /oauth-tech/rest/app.info/"}


def test_needs_an_app_to_be_installed(here: Side, acme: Account) -> None:
    """
    A site without an app says so, and asks nobody.
    """
    with pytest.raises(UntrustedError, match="bitrix_app_id and bitrix_app_secret are not set"):
        here.trust.check_event(Terms(SITE, App("", "")), event(here, acme, "ONAPPINSTALL"))
    assert here.bitrix24.contacts == []


def test_strangers_cannot_take_all_threads(here: Side, acme: Account) -> None:
    """
    Only two claims are being confirmed at once; the others are told to come back.
    """
    here.bitrix24.slow_s = 1.5
    events = [event(here, acme, "ONAPPINSTALL", access_token=f"{number:070d}") for number in range(6)]

    def refusal(one: Event) -> type[Exception]:
        try:
            here.trust.check_event(here.terms, one)
        except (UntrustedError, BusyError) as error:
            return type(error)
        raise AssertionError("a stranger was believed")

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(refusal, events))

    assert sorted(found, key=str) == [BusyError] * 4 + [UntrustedError] * 2


def test_the_addresses_are_fixed() -> None:
    """
    Without a test's own ones, the app's secret goes to Bitrix24's two hosts by https, and nowhere else.
    """
    defaults = OAuth.__init__.__defaults__

    assert defaults is not None
    assert dict(defaults[0]) == {
        "oauth.bitrix.info": "https://oauth.bitrix.info",
        "oauth.bitrix24.tech": "https://oauth.bitrix24.tech",
    }
