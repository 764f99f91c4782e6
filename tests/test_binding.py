"""
What is bound in a portal: by the install page, after an update of the app, and from the command line.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookd.cli import main
from hookd.portal.binding import event_codes, placement_codes
from tests.conftest import Server, finish, write_hooks
from tests.portal.server import Account, Bitrix24, Refusal
from tests.portal.serving import SITE, serve_with

HOOKS = {
    "events/crm_requisite.py": "def crm_requisite(event): ...\n",
    "events/oncrmdynamicitemadd_147.py": "def oncrmdynamicitemadd_147(event): ...\n",
    "events/other.py": "def other(event): ...\n",
    "placements/call_card.py": "def call_card(placement): ...\n",
    "placements/crm_detail_activity.py": "def crm_detail_activity(placement): ...\n",
    "placements/crm_lead_detail_activity.py": "def crm_lead_detail_activity(placement): ...\n",
    "placements/other.py": "def other(placement): ...\n",
    "settings.toml": (
        "[placements.call_card]\ntitle = { ru = 'Заметки', en = 'Notes' }\n"
        "[placements.crm_detail_activity]\ntitle = 'Calls'\n"
    ),
}
EVENTS = [
    "ONAPPUNINSTALL",
    "ONAPPUPDATE",
    "ONCRMREQUISITEADD",
    "ONCRMREQUISITEUPDATE",
    "ONCRMREQUISITEDELETE",
    "ONCRMDYNAMICITEMADD_147",
]
ACTIVITIES = ["CONTACT", "COMPANY", "DEAL", "LEAD", "QUOTE", "ORDER", "SMART_INVOICE", "DYNAMIC_183", "DYNAMIC_1044"]


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    write_hooks(directory, HOOKS)
    started = serve_with(bitrix24, directory, config=f'public_url = "https://hooks.example.com"\n{SITE}')
    yield started
    finish(started)


def codes_of(account: Account, kind: str) -> set[str]:
    handler = f"https://hooks.example.com/bitrix24/{kind}"
    return {row["code"] for row in account.bound if row["handler"] == handler}


def install(server: Server, bitrix24: Bitrix24, account: Account) -> str:
    """Open the install page as the portal's administrator, and return it."""
    fields = {**bitrix24.widget(account, "DEFAULT", user_id=1), "LANG": "en"}
    reply = bitrix24.open(f"{server.url}/bitrix24/install", fields)
    assert reply.status_code == 200
    return reply.text


def listed(page: str) -> dict[str, str]:
    """Return what *page* lists: code → its tag or what went wrong."""
    return dict(re.findall(r'<li><span>(.*?)</span><span class="\w+">(.*?)</span>', page))


def test_installing_binds_what_there_are_hooks_for(server: Server, bitrix24: Bitrix24) -> None:
    """
    Files for one code and for families, with the portal's own custom types; the page shows all of it and goes on.
    """
    account = bitrix24.add("binds", types=["183", "1044"])

    page = install(server, bitrix24, account)

    places = {"CALL_CARD", *(f"CRM_{kind}_DETAIL_ACTIVITY" for kind in ACTIVITIES)}
    assert (codes_of(account, "event"), codes_of(account, "placement")) == (set(EVENTS), places)
    assert {row["code"]: row["title"] for row in account.bound if row["title"]} == {
        "CALL_CARD": {"ru": "Заметки", "en": "Notes"},
        **{f"CRM_{kind}_DETAIL_ACTIVITY": "Calls" for kind in ACTIVITIES if kind != "LEAD"},
    }
    assert listed(page) == {**dict.fromkeys(EVENTS, "event"), **dict.fromkeys(places, "page")}
    assert 'id="finish"' not in page  # nobody has to click


def test_installing_again_changes_what_is_bound(server: Server, bitrix24: Bitrix24) -> None:
    """
    What is bound stays, what has no hook any more goes, and what others bound is none of hookd's business.
    """
    account = bitrix24.add("again")
    gone = {"code": "CRM_DEAL_DETAIL_TAB", "handler": "https://hooks.example.com/bitrix24/placement", "title": ""}
    others = {"code": "CALL_CARD", "handler": "https://other.example.com/bitrix24/placement", "title": ""}
    account.bound += [gone, others]
    install(server, bitrix24, account)
    before = [dict(row) for row in account.bound]
    account.calls.clear()

    install(server, bitrix24, account)

    assert gone not in before
    assert others in before
    assert account.bound == before
    assert account.calls == ["batch", "event.get", "placement.get", "placement.list"]


def test_what_cannot_be_bound_is_shown(server: Server, bitrix24: Bitrix24) -> None:
    """
    With the portal's own words; the page then waits for somebody to read them before it ends the installation.
    """
    account = bitrix24.add("fails")
    bitrix24.failures["placement.bind"] = [Refusal(400, "ERROR_PLACEMENT_MAX_COUNT", "Only <b>one</b> allowed")]

    page = install(server, bitrix24, account)

    assert listed(page)["CALL_CARD"] == "ERROR_PLACEMENT_MAX_COUNT (Only  one  allowed)"
    assert "Only one may be bound here, and there is one." in page
    assert 'id="finish"' in page
    assert "CALL_CARD" not in codes_of(account, "placement")
    assert codes_of(account, "event") == set(EVENTS)


def test_a_portal_that_does_not_answer_is_installed_all_the_same(server: Server, bitrix24: Bitrix24) -> None:
    """
    Its tokens are kept; that nothing was bound is shown.
    """
    account = bitrix24.add("silent")
    bitrix24.failures["batch"] = [Refusal(403, "insufficient_scope", "The request requires higher privileges")]

    page = install(server, bitrix24, account)

    assert list(listed(page)) == ["The portal"]
    assert "insufficient_scope" in listed(page)["The portal"]
    assert account.bound == []


def test_an_update_of_the_app_binds_anew(server: Server, bitrix24: Bitrix24) -> None:
    """
    So does an app without pages when it is installed: the portal is answered at once, and bound soon after.
    """
    account = bitrix24.add("api-only")
    bitrix24.install(f"{server.url}/bitrix24/install", account)
    server.wait(lambda: codes_of(account, "event") == set(EVENTS), "binding")
    server.wait(lambda: "CALL_CARD" in codes_of(account, "placement"), "binding")
    account.bound.clear()

    fields = bitrix24.event(account, "ONAPPUPDATE", {"VERSION": 2, "PREVIOUS_VERSION": 1, "LANGUAGE_ID": "ru"})
    reply = bitrix24.send(f"{server.url}/bitrix24/event", fields)

    assert reply.status_code == 200
    server.wait(lambda: codes_of(account, "event") == set(EVENTS), "binding")


def test_an_employee_binds_nothing(server: Server, bitrix24: Bitrix24) -> None:
    """
    Only an administrator installs the app anew.
    """
    account = bitrix24.add("employees")
    install(server, bitrix24, account)
    account.bound.clear()

    reply = bitrix24.open(f"{server.url}/bitrix24/install", bitrix24.widget(account, "DEFAULT", user_id=5))

    assert (reply.status_code, account.bound) == (403, [])


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "oncrmleadadd": ["ONCRMLEADADD"],
        "catalog_price_on_add": ["CATALOG.PRICE.ON.ADD"],
        "oncrmdynamicitemupdate_31": ["ONCRMDYNAMICITEMUPDATE_31"],
        "onsomethingnew": ["ONSOMETHINGNEW"],
        "onappinstall": [],
        "other": [],
    }.items(),
)
def test_the_codes_of_an_event_hook(name: str, expected: list[str]) -> None:
    """
    From a file's name back to what portals write; the app's own events are bound anyway, or not at all.
    """
    assert event_codes(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "call_card": ["CALL_CARD"],
        "crm_dynamic_183_detail_tab": ["CRM_DYNAMIC_183_DETAIL_TAB"],
        "crm_funnels_toolbar": ["CRM_FUNNELS_TOOLBAR"],
        "code_1c_page": ["1C_PAGE"],
        "default": [],
        "other": [],
    }.items(),
)
def test_the_codes_of_a_placement_hook(name: str, expected: list[str]) -> None:
    """
    Of a family those that the portal has; what the app opens by itself is not bound.
    """
    assert placement_codes(name, ["CALL_CARD", "CRM_FUNNELS_TOOLBAR", "CRM_DYNAMIC_183_DETAIL_TAB"]) == expected


def test_nothing_of_this_is_written_into_the_hooks(server: Server) -> None:
    """
    Binding reads what there is, and leaves the integrator's directory as it was.
    """
    found = {str(path.relative_to(server.directory / "hooks")) for path in (server.directory / "hooks").rglob("*.*")}

    assert found == {str(Path(name)) for name in HOOKS}


def command(server: Server, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, output and errors of `hookd portal`."""
    code = main(["portal", *arguments, "--config", str(server.directory / "hookd.toml")])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_binds_and_unbinds(server: Server, bitrix24: Bitrix24, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What the install page does, from the command line; and it tells of portals, codes and failures.
    """
    account = bitrix24.add("commanded")
    install(server, bitrix24, account)
    host = bitrix24.domain(account)

    listed = command(server, capsys, "list")
    kept = command(server, capsys, "bind", account.member_id)
    tested = command(server, capsys, "test", account.member_id)
    unbound = command(server, capsys, "unbind", account.member_id)
    left = list(account.bound)
    bound = command(server, capsys, "bind", account.member_id, "--format", "json")

    assert listed[0] == 0
    assert [line.split()[0] for line in listed[1].splitlines() if account.member_id in line] == [host]
    assert re.search(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d( |$)", listed[1], re.MULTILINE)
    assert account.application_token not in listed[1]
    assert kept == tested
    assert kept[0] == 0
    assert f"{host}  kept  placement  CALL_CARD" in kept[1].splitlines()
    assert (unbound[0], left) == (0, [])
    assert f"{host}  removed  event      ONAPPUPDATE" in unbound[1].splitlines()
    assert bound[0] == 0
    assert {row["state"] for row in json.loads(bound[1])[0]["bindings"]} == {"bound"}


def test_the_command_shows_what_is_bound_at_other_addresses(
    server: Server, bitrix24: Bitrix24, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    After a move both may be bound, and each lead be told of twice; where hookd is need not be known to look.
    """
    account = bitrix24.add("moved")
    install(server, bitrix24, account)
    host, old = bitrix24.domain(account), "https://old.example.com"
    account.bound.append({"code": "ONCRMLEADADD", "handler": f"{old}/bitrix24/event", "title": ""})
    text = (server.directory / "hookd.toml").read_text()

    tested = command(server, capsys, "test", account.member_id)
    (server.directory / "hookd.toml").write_text(text.replace("public_url", "# public_url"))
    unknown = command(server, capsys, "test", account.member_id)
    (server.directory / "hookd.toml").write_text(text)
    unbound = command(server, capsys, "unbind", account.member_id, "--url", old)

    lines = [" ".join(line.split()) for line in tested[1].splitlines()]
    assert f"{host} elsewhere event ONCRMLEADADD {old}/bitrix24/event" in lines
    assert f"{host} kept placement CALL_CARD" in lines
    remedy = f"{host}: has handlers at {old}. If that is no more: hookd portal unbind --url {old}"
    assert (tested[0], tested[2].strip()) == (0, remedy)
    assert (unknown[0], unknown[2]) == (0, "")
    assert len(unknown[1].splitlines()) == len(account.bound) + 1
    assert f"{host} kept event ONCRMLEADADD {old}/bitrix24/event" in [
        " ".join(x.split()) for x in unknown[1].splitlines()
    ]
    assert (unbound[0], [row for row in account.bound if row["handler"].startswith(old)]) == (0, [])


def test_the_command_says_how_the_first_portal_comes(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """
    What is missing in the settings, or what to put into the portal.
    """
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hookd.toml").write_text("")
    bare = main(["portal", "list", "--config", str(tmp_path / "hookd.toml")]), capsys.readouterr().err
    (tmp_path / "hookd.toml").write_text(f'public_url = "https://hooks.example.com"\n{SITE}')
    ready = main(["portal", "list", "--config", str(tmp_path / "hookd.toml")]), capsys.readouterr().err

    assert (bare[0], "bitrix_app_id and bitrix_app_secret_file are not set" in bare[1]) == (0, True)
    assert (ready[0], "https://hooks.example.com/bitrix24/install (for the first installation)" in ready[1]) == (
        0,
        True,
    )


def test_without_an_address_an_event_binds_nothing_and_says_so(bitrix24: Bitrix24, tmp_path: Path) -> None:
    """
    What the request says of where it went is not believed; the log names the setting.
    """
    started = serve_with(bitrix24, tmp_path)
    try:
        account = bitrix24.add("unaddressed")
        reply = bitrix24.install(f"{started.url}/bitrix24/install", account)
        [line] = started.lines("portal_not_bound")
    finally:
        finish(started)

    assert (reply.status_code, account.bound) == (200, [])
    assert (line["error"], line["remedy"]) == ("public_url is not set", "set public_url, then `hookd portal bind`")


def test_the_command_tells_what_is_wrong(
    server: Server, bitrix24: Bitrix24, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Exit code 1 for what the portal refuses, 2 for a portal that there is not.
    """
    account = bitrix24.add("refusing")
    install(server, bitrix24, account)
    bitrix24.failures["app.info"] = [Refusal(403, "ACCESS_DENIED", "Access denied!")]

    refused = command(server, capsys, "test", account.member_id)
    unknown = command(server, capsys, "bind", "nope.bitrix24.com")

    assert (refused[0], "ACCESS_DENIED (Access denied!)" in refused[2]) == (1, True)
    assert (unknown[0], "there is no portal 'nope.bitrix24.com'" in unknown[2]) == (2, True)


def test_the_command_forgets_a_portal(server: Server, bitrix24: Bitrix24, capsys: pytest.CaptureFixture[str]) -> None:
    """
    One that removed the app while hookd was not there; named, since what is forgotten is installed anew.
    """
    account = bitrix24.add("forgotten")
    install(server, bitrix24, account)
    bitrix24.remove(account)
    host, calls = bitrix24.domain(account), len(account.calls)

    forgot = command(server, capsys, "forget", account.member_id)
    again = command(server, capsys, "forget", account.member_id)
    with pytest.raises(SystemExit):
        main(["portal", "forget"])

    assert forgot == (0, f"{host}: forgotten; to come back it installs the app anew\n", "")
    assert (again[0], "there is no portal" in again[2]) == (2, True)
    assert len(account.calls) == calls
