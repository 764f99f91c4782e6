"""
Calls of a portal's methods: tokens that expire, limits, addresses that change, answers that do not come.
"""

import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hookd.documents import Json
from hookd.errors import PortalError, UnknownPortalError
from hookd.portal import forms
from hookd.portal.envelopes import read_event
from hookd.portal.http import Client
from hookd.portal.limits import Limits
from hookd.portal.oauth import OAuth
from hookd.portal.patience import Deadline
from hookd.portal.renewal import Installed
from hookd.portal.rest import Employee, Reply, Webhook, check_method
from hookd.settings import load
from hookd.tools import Call, Ground
from tests.portal import payloads
from tests.portal.fixtures import APP, SITE, Side, side
from tests.portal.server import Account, Bitrix24, Refusal

PATIENCE_S = 20.0
SECRET = "wh0oksecret12345"

# Calls a method with the stored tokens, in a process of its own; prints who it is there.
CALLER = """
import sys
from pathlib import Path
from hookd.portal.http import Client
from hookd.portal.http import Client
from hookd.portal.limits import Limits
from hookd.portal.oauth import OAuth
from hookd.portal.oauth import App, OAuth
from hookd.portal.patience import Deadline
from hookd.portal.portals import Portals
from hookd.portal.renewal import Installed, Renewal
from hookd.portal.rest import Rest

state, url, member, app_id, secret = Path(sys.argv[1]), *sys.argv[2:]
addresses = {"oauth.bitrix.info": url + "/oauth-info", "oauth.bitrix24.tech": url + "/oauth-tech"}
client, portals = Client(), Portals(state)
renewal = Renewal(state, portals, OAuth(client, addresses))
rest = Rest(portals, renewal, client, Limits(state))
print("ready", flush=True)
sys.stdin.readline()
print(rest.call(Installed("default", member, App(app_id, secret)), "profile", {}, Deadline(30)).result["ID"])
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Side]:
    with Bitrix24() as bitrix24:
        made = side(bitrix24, tmp_path / "var")
        yield made
        made.close()


@pytest.fixture
def acme(here: Side) -> Account:
    """A portal that installed the app, has an incoming webhook, and 120 leads."""
    account = here.bitrix24.add("acme", webhooks={SECRET: 1})
    account.items["crm.lead"] = {number: {"ID": str(number), "TITLE": f"Lead {number}"} for number in range(1, 121)}
    fields = here.bitrix24.event(account, "ONAPPINSTALL", {"VERSION": 1})
    here.trust.check_event(here.terms, read_event(forms.parse(payloads.form(fields))))
    here.bitrix24.contacts.clear()
    return account


def webhook(here: Side, account: Account) -> Webhook:
    return Webhook(f"{here.bitrix24.endpoint(account)}1/{SECRET}/")


def call(here: Side, who: Any, method: str, **parameters: Json) -> Reply:
    return here.rest.call(who, method, parameters, Deadline(PATIENCE_S))


def test_calls_as_the_app_as_the_employee_and_by_webhook(here: Side, acme: Account) -> None:
    """
    Each is somebody else there; the app is whoever installed it.
    """
    app = here.installed(acme)
    employee = Employee(app, here.bitrix24.issue(acme, 5).access)

    found = [call(here, who, "user.current").result["ID"] for who in (app, employee, webhook(here, acme))]

    assert found == ["1", "5", "1"]
    assert call(here, app, "crm.lead.get", id=7).result == {"ID": "7", "TITLE": "Lead 7"}
    assert call(here, app, "crm.lead.list") == Reply(list(acme.items["crm.lead"].values())[:50], total=120, next=50)


def test_finds_the_one_portal(here: Side, acme: Account) -> None:
    """
    Where a site has one portal, nobody has to name it; none or several are told.
    """
    found = here.rest.only(SITE, APP)
    here.trust.install(here.terms, read_event(here.bitrix24.event(here.bitrix24.add("two"), "ONAPPINSTALL")).claim)

    assert found == here.installed(acme)
    with pytest.raises(UnknownPortalError, match="there are several portals, and it is not said which: 127"):
        here.rest.only(SITE, APP)
    with pytest.raises(UnknownPortalError, match="no portal has installed hookd's app"):
        here.rest.only("other", APP)
    with pytest.raises(UnknownPortalError, match="has not installed hookd's app"):
        call(here, Installed("other", acme.member_id, APP), "profile")


def test_renews_a_token_that_expired(here: Side, acme: Account) -> None:
    """
    The portal says that it is expired; a new one is got once, kept, and the call made again.
    """
    before = here.portals.tokens(SITE, acme.member_id)
    here.bitrix24.expire_all()

    found = [call(here, here.installed(acme), "profile").result["ID"] for _ in range(3)]

    after = here.portals.tokens(SITE, acme.member_id)
    assert found == ["1", "1", "1"]
    assert here.bitrix24.contacts == [
        "POST /portal/acme/rest/profile",
        "GET /oauth-info/oauth/token/",
        *["POST /portal/acme/rest/profile"] * 3,
    ]
    assert len({before.access, before.refresh, after.access, after.refresh}) == 4


def test_threads_renew_one_after_the_other(here: Side, acme: Account) -> None:
    """
    Many calls that find the token expired at the same moment get one new one.
    """
    here.bitrix24.slow_s = 0.05
    here.bitrix24.expire_all()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: call(here, here.installed(acme), "profile").result["ID"], range(8)))

    assert (found, here.bitrix24.renewals) == (["1"] * 8, 1)


def test_processes_renew_one_after_the_other(here: Side, acme: Account) -> None:
    """
    The same across processes: a refresh token is good once.
    """
    command = [sys.executable, "-c", CALLER, str(here.state), here.bitrix24.url, acme.member_id, APP.id, APP.secret]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    here.bitrix24.expire_all()
    here.bitrix24.slow_s = 0.1
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    found = [process.communicate("\n", timeout=60)[0] for process in processes]

    assert (found, here.bitrix24.renewals) == (["1\n"] * 4, 1)


def test_tokens_that_are_gone_are_told_and_not_tried_again(here: Side, acme: Account) -> None:
    """
    Where the app was removed, the authorization server is not asked for ever; an install mends it.
    """
    here.bitrix24.expire_all()
    here.bitrix24.forget_all()
    messages = []
    for _ in range(2):
        with pytest.raises(PortalError) as caught:
            call(here, here.installed(acme), "profile")
        messages.append((caught.value.reason, str(caught.value)))
    contacts = list(here.bitrix24.contacts)

    here.trust.check_event(here.terms, read_event(here.bitrix24.event(acme, "ONAPPINSTALL")))

    host = here.bitrix24.url.removeprefix("http://")
    gone = "oauth.bitrix.info: refuses: invalid_grant. The portal removed the app, or did not use it for 180 days."
    remedy = "Open the app in the portal as its administrator: it is then installed anew."
    assert messages == [("invalid_grant", gone), ("reinstall", f"{host}: {gone} {remedy}")]
    assert contacts == ["POST /portal/acme/rest/profile", "GET /oauth-info/oauth/token/"]
    assert call(here, here.installed(acme), "profile").result["ID"] == "1"


def test_an_employee_s_token_is_not_renewed(here: Side, acme: Account) -> None:
    """
    It belongs to a page that is open; who left it open for too long opens it again.
    """
    employee = Employee(here.installed(acme), here.bitrix24.issue(acme, 5, lasts_s=-1).access)

    with pytest.raises(PortalError, match="The page was open for more than an hour; open it anew") as caught:
        call(here, employee, "profile")

    assert (caught.value.reason, here.bitrix24.renewals) == ("expired_token", 0)


def test_follows_a_portal_that_was_renamed(here: Side, acme: Account) -> None:
    """
    The new address comes from the authorization server; the request is sent again with all that was in it.
    """
    here.bitrix24.rename(acme, "acme-new")

    number = call(here, here.installed(acme), "crm.lead.add", fields={"TITLE": "x"}).result
    employee = Employee(here.installed(acme), here.bitrix24.issue(acme, 5).access)

    assert acme.items["crm.lead"][number] == {"TITLE": "x", "ID": "121"}
    portal = here.portals.find(SITE, acme.member_id)
    assert portal is not None
    assert portal.endpoint == here.bitrix24.endpoint(acme)
    assert call(here, employee, "profile").result["ID"] == "5"
    assert here.bitrix24.contacts == [
        "POST /portal/acme/rest/crm.lead.add",
        "GET /oauth-info/oauth/token/",
        "POST /portal/acme-new/rest/crm.lead.add",
        "POST /portal/acme-new/rest/profile",
    ]


def test_a_webhook_follows_a_portal_that_was_renamed(here: Side, acme: Account) -> None:
    """
    It has no authorization server; it follows to the same path elsewhere, and nowhere else.
    """
    who = webhook(here, acme)
    here.bitrix24.rename(acme, "acme-new")

    assert call(here, who, "crm.lead.add", fields={"TITLE": "x"}).result == 121
    assert acme.items["crm.lead"][121]["TITLE"] == "x"


@pytest.mark.parametrize(
    ("refusal", "reason", "told"),
    [
        (
            Refusal(403, "insufficient_scope", "The request requires higher privileges"),
            "insufficient_scope",
            "crm.lead.get: insufficient_scope (The request requires higher privileges). Tick the scope that the method "
            "needs on the app's page in the portal, and install it anew.",
        ),
        (Refusal(400, "", "<b>Not</b> found"), "status 400", "crm.lead.get: (Not  found)."),
        (Refusal(200, "ERROR_CORE", "Oops"), "ERROR_CORE", "crm.lead.get: ERROR_CORE (Oops)."),
        (
            Refusal(503, "OVERLOAD_LIMIT", "REST API is blocked due to overload."),
            "OVERLOAD_LIMIT",
            "crm.lead.get: OVERLOAD_LIMIT (REST API is blocked due to overload). The portal has blocked requests by "
            "hand; ask Bitrix24's support.",
        ),
    ],
)
def test_tells_what_the_portal_refused(here: Side, acme: Account, refusal: Refusal, reason: str, told: str) -> None:
    """
    The portal's own word, its explanation without HTML, and what to do; also where it says so with status 200.
    """
    here.bitrix24.failures["crm.lead.get"] = [refusal]

    with pytest.raises(PortalError) as caught:
        call(here, here.installed(acme), "crm.lead.get", id=1)

    assert caught.value.reason == reason
    assert str(caught.value) == f"{here.bitrix24.url.removeprefix('http://')}: {told}"
    assert acme.calls == ["crm.lead.get"]


def test_tries_again_after_the_limit(here: Side, acme: Account, tmp_path: Path) -> None:
    """
    A request that was refused for the limit was not done: it is sent again when there is room.
    """
    here.bitrix24.failures["profile"] = [Refusal(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")]

    found = call(here, here.installed(acme), "profile").result["ID"]

    assert (found, acme.calls) == ("1", ["profile", "profile"])


def test_stays_below_the_portal_s_limit(here: Side, acme: Account) -> None:
    """
    However fast a hook asks, the portal never has to refuse.
    """
    reasons: list[str] = []
    for _ in range(60):
        try:
            here.rest.call(here.installed(acme), "profile", {}, Deadline(0.4))
        except PortalError as error:
            reasons.append(error.reason)

    assert "QUERY_LIMIT_EXCEEDED" in reasons  # hookd's own: there was no time to wait
    assert 48 <= len(acme.calls) < 60
    assert acme.level < 50


def test_a_method_that_worked_too_long_is_not_asked_again(here: Side, acme: Account) -> None:
    """
    The portal says until when; the others go on.
    """
    until = int(time.time()) + 300
    here.bitrix24.failures["crm.lead.list"] = [
        Refusal(429, "OPERATION_TIME_LIMIT", "Method is blocked", time={"operating_reset_at": until})
    ]
    for _ in range(2):
        with pytest.raises(PortalError) as caught:
            call(here, here.installed(acme), "crm.lead.list")
        assert caught.value.reason == "OPERATION_TIME_LIMIT"

    assert call(here, here.installed(acme), "profile").result["ID"] == "1"
    assert acme.calls == ["crm.lead.list", "profile"]


def test_batch_does_several_things_in_one_request(here: Side, acme: Account) -> None:
    """
    A later command may use what an earlier one answered; what failed is told by name.
    """
    commands: dict[str, tuple[str, dict[str, Json]]] = {
        "who": ("user.current", {}),
        "lead": (
            "crm.lead.add",
            {"fields": {"TITLE": "A & B = 100%", "ASSIGNED_BY_ID": "$result[who][ID]", "N": None}},
        ),
        "none": ("crm.lead.get", {"id": 9999}),
        "list": ("crm.lead.list", {"filter": {"%TITLE": "x"}, "select": ["ID", "TITLE"]}),
    }

    results, errors = here.rest.batch(here.installed(acme), commands, Deadline(PATIENCE_S))

    assert (results["who"]["ID"], results["lead"], len(results["list"])) == ("1", 121, 50)
    assert errors == {"none": "(Not found)"}
    assert acme.items["crm.lead"][121] == {"TITLE": "A & B = 100%", "ASSIGNED_BY_ID": "1", "ID": "121"}
    assert here.bitrix24.contacts == ["POST /portal/acme/rest/batch"]


def test_batch_that_halts(here: Side, acme: Account) -> None:
    """
    The first error ends it; an empty result is an object all the same.
    """
    commands: dict[str, tuple[str, dict[str, Json]]] = {"a": ("crm.lead.get", {"id": 9}), "b": ("nope.get", {})}

    first = here.rest.batch(here.installed(acme), {**commands, "c": ("profile", {})}, Deadline(PATIENCE_S), halts=True)
    nothing = here.rest.batch(here.installed(acme), {"b": ("nope.get", {})}, Deadline(PATIENCE_S))

    assert first == ({"a": {"ID": "9", "TITLE": "Lead 9"}}, {"b": "ERROR_METHOD_NOT_FOUND (Method not found!)"})
    assert nothing == ({}, {"b": "ERROR_METHOD_NOT_FOUND (Method not found!)"})


def test_list_reads_page_after_page(here: Side, acme: Account) -> None:
    """
    Up to as many items as were asked for, and no page more than that needs.
    """
    app = here.installed(acme)

    everything = here.rest.list(app, "crm.lead.list", {}, Deadline(PATIENCE_S))
    some = here.rest.list(app, "crm.lead.list", {}, Deadline(PATIENCE_S), most=60)
    newer = here.rest.list(app, "crm.item.list", {"entityTypeId": 2}, Deadline(PATIENCE_S))

    assert [item["ID"] for item in everything] == [str(number) for number in range(1, 121)]
    assert [item["ID"] for item in some] == [str(number) for number in range(1, 61)]
    assert newer == [{"id": 1}, {"id": 2}]
    assert acme.calls == ["crm.lead.list"] * 5 + ["crm.item.list"]
    with pytest.raises(PortalError, match=r"crm\.lead\.get: answers no list"):
        here.rest.list(app, "crm.lead.get", {"id": 1}, Deadline(PATIENCE_S))


@pytest.mark.parametrize(
    ("method", "allowed", "message"),
    [
        ("crm.lead.get", ["*"], ""),
        ("crm.lead.get", ["crm.*"], ""),
        ("CRM.Lead.get", ["crm.lead.get"], ""),
        ("crm.lead.get", ["crm.deal.*", "user.get"], "crm.lead.get: the site's settings do not allow this method"),
        ("crm.lead.get", [], "crm.lead.get: the site's settings do not allow this method"),
        ("crm.lead.get", ["crm.lead"], "crm.lead.get: the site's settings do not allow this method"),
        ("batch", ["*"], "batch is no method to call. Use bitrix.batch."),
        ("../../evil", ["*"], "'../../evil' is no name of a method, such as crm.lead.get."),
        ("crm.lead.get?auth=x", ["*"], "'crm.lead.get?auth=x' is no name of a method, such as crm.lead.get."),
        ("crm.lead.get\n", ["*"], "'crm.lead.get\\n' is no name of a method, such as crm.lead.get."),
        ("", ["*"], "'' is no name of a method, such as crm.lead.get."),
    ],
)
def test_calls_only_what_is_allowed(method: str, allowed: list[str], message: str) -> None:
    """
    What the settings leave out is not asked for, nor what is no name of a method.
    """
    if not message:
        check_method(method, allowed)
        return
    with pytest.raises(PortalError) as caught:
        check_method(method, allowed)
    assert str(caught.value).startswith(message)


def test_batch_and_list_are_checked_too(here: Side, acme: Account) -> None:
    """
    No way around the settings; and no way into the form of the commands.
    """
    app, patience = here.installed(acme), Deadline(PATIENCE_S)
    many: dict[str, tuple[str, dict[str, Json]]] = {f"c{number}": ("profile", {}) for number in range(51)}

    with pytest.raises(PortalError, match=r"user\.get: the site's settings do not allow"):
        here.rest.batch(app, {"a": ("crm.lead.get", {}), "b": ("user.get", {})}, patience, allowed=["crm.*"])
    with pytest.raises(PortalError, match=r"user\.get: the site's settings do not allow"):
        here.rest.list(app, "user.get", {}, patience, allowed=["crm.*"])
    with pytest.raises(PortalError, match="batch: 51 commands; 50 at most"):
        here.rest.batch(app, many, patience)
    with pytest.raises(PortalError, match=r"'a\]=x' is no name of a command"):
        here.rest.batch(app, {"a]=x": ("profile", {})}, patience)
    assert here.bitrix24.contacts == []


def test_an_answer_that_does_not_come(here: Side, acme: Account) -> None:
    """
    Whoever has no more time is told so, and by which host.
    """
    here.bitrix24.slow_s = 30.0

    with pytest.raises(PortalError) as caught:
        here.rest.call(here.installed(acme), "profile", {}, Deadline(0.3))

    assert caught.value.reason == "slow"
    assert str(caught.value) == f"{here.bitrix24.url.removeprefix('http://')}: its answer was not there in time."


def test_a_call_that_is_given_up_ends(here: Side, acme: Account) -> None:
    """
    Its socket is shut from another thread; the next call gets a connection of its own.
    """

    class Patient(Deadline):
        shuts: list[Callable[[], None]]
        is_aborted = False

        def on_abort(self, shut: Callable[[], None], /) -> None:
            self.shuts.append(shut)

    patience = Patient(60)
    patience.shuts = []
    here.bitrix24.slow_s = 30.0

    def give_up() -> None:
        while not here.bitrix24.contacts:
            time.sleep(0.01)
        patience.is_aborted = True
        for shut in patience.shuts:
            shut()

    thread = threading.Thread(target=give_up)
    thread.start()
    with pytest.raises(PortalError) as caught:
        here.rest.call(here.installed(acme), "profile", {}, patience)
    thread.join()
    here.bitrix24.slow_s = 0.0

    assert (caught.value.reason, patience.left_s > 25) == ("aborted", True)
    assert call(here, here.installed(acme), "profile").result["ID"] == "1"


def test_an_answer_that_is_too_large(here: Side, acme: Account) -> None:
    """
    No more is read than a hook could be given.
    """
    with pytest.raises(PortalError, match="its answer is longer than 4 MB") as caught:
        call(here, here.installed(acme), "test.broken")

    assert caught.value.reason == "odd_answer"


def test_no_secret_is_told(here: Side, acme: Account) -> None:
    """
    Neither an error nor a repr shows a token, a webhook's secret or the app's.
    """
    app, hook = here.installed(acme), webhook(here, acme)
    tokens = here.portals.tokens(SITE, acme.member_id)
    here.bitrix24.__exit__()
    here.side.close()  # the connections that were kept; the database opens again
    shown = [repr(one) for one in (app, hook, tokens, Employee(app, tokens.access))]
    for who in (app, hook):
        with pytest.raises(PortalError, match="cannot be reached") as caught:
            call(here, who, "profile")
        shown += [repr(caught.value), *traceback.format_exception(caught.value)]
    with pytest.raises(PortalError) as caught:
        OAuth(Client(), here.bitrix24.addresses).renew(APP, here.portals.all(SITE)[0], tokens, Deadline(1))
    shown += traceback.format_exception(caught.value)

    for secret in (tokens.access, tokens.refresh, SECRET, APP.secret):
        assert secret not in " ".join(shown)


def test_limits_are_shared_by_all_ways(here: Side, acme: Account) -> None:
    """
    The portal counts an address, whoever asks from there.
    """
    for who in (here.installed(acme), webhook(here, acme)):
        Limits(here.state).note_full(here.bitrix24.domain(acme))
        with pytest.raises(PortalError, match="would have to wait"):
            here.rest.call(who, "profile", {}, Deadline(0.01))
    assert here.bitrix24.contacts == []


def test_a_site_asks_by_its_webhook_or_as_its_one_portal(here: Side, acme: Account, tmp_path: Path) -> None:
    """
    Settings name a webhook, or there is the portal that installed the app.
    """
    hook, app = webhook(here, acme), here.installed(acme)
    config = tmp_path / "hookd.toml"
    found = []
    for text in (f'bitrix_webhook = "{hook.url}"', f'bitrix_app_id = "{APP.id}"\nbitrix_app_secret = "{APP.secret}"'):
        config.write_text(f"[site]\n{text}")
        found.append(here.side.account(SITE, load(config, tmp_path).site))

    assert found == [hook, app]


def test_a_tool_s_call_is_patient(here: Side, acme: Account, tmp_path: Path) -> None:
    """
    What a hook's call of a tool brings along is all that is needed: its deadline, and its end.
    """
    config = tmp_path / "hookd.toml"
    config.write_text("")
    ground = Ground(SITE, tmp_path, tmp_path / "hooks", load(config, tmp_path).site)
    patient = Call(ground, "bitrix", "call", {}, time.monotonic() + PATIENCE_S)

    found = here.rest.call(here.installed(acme), "profile", {}, patient)
    patient.abort()
    with pytest.raises(PortalError) as caught:
        here.rest.call(here.installed(acme), "profile", {}, patient)

    assert (found.result["ID"], caught.value.reason) == ("1", "aborted")
