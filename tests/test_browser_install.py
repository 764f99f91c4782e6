"""
The app is installed in a real browser: the portal's page, hookd's in its frame, and what they tell each other.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from hookd.portal.portals import Portals
from hookd.portal.trust import CONFIRMING_MAX
from tests.conftest import Server, finish, write_hooks
from tests.portal.browsing import WAIT_S, complaints, enter, go, is_too_wide, look, open_browser, shoot, text
from tests.portal.server import Account, Bitrix24, Refusal
from tests.portal.serving import serve_with

HOOKS = {
    "events/crm_requisite.py": "def crm_requisite(event): ...\n",
    "placements/call_card.py": "def call_card(placement): ...\n",
    "placements/crm_detail_activity.py": "def crm_detail_activity(placement): ...\n",
}
EVENTS = ["ONAPPUNINSTALL", "ONAPPUPDATE", *(f"ONCRMREQUISITE{what}" for what in ("ADD", "UPDATE", "DELETE"))]
KINDS = ["CONTACT", "COMPANY", "DEAL", "LEAD", "QUOTE", "ORDER", "SMART_INVOICE", "DYNAMIC_183"]
PLACES = ["CALL_CARD", *(f"CRM_{kind}_DETAIL_ACTIVITY" for kind in KINDS)]
ALL = {*((code, "event") for code in EVENTS), *((code, "placement") for code in PLACES)}
ASKED = "GET /oauth-info/rest/app.info/"
FINISH: tuple[str, Any] = ("setInstallFinish", {})
ADMINISTRATOR, EMPLOYEE = 1, 5


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    write_hooks(directory, HOOKS)
    started = serve_with(bitrix24, directory)
    yield started
    finish(started)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def page(bitrix24: Bitrix24, server: Server, account: Account, **options: Any) -> str:
    """Return the address of the portal's page around the app; *options* are of its query."""
    handlers = {name: f"{server.url}/bitrix24/{path}" for name, path in HANDLERS.items()}
    query = {**handlers, "lang": "ru", "user": ADMINISTRATOR, **options}
    return f"{bitrix24.url}/portal/{account.name}/app?{urlencode(query)}"


HANDLERS = {"handler": "placement", "installer": "install"}


def finished(account: Account) -> int:
    """Return how often the portal was told that the installation is over."""
    return account.commands.count(FINISH)


def until_finished(browser: webdriver.Chrome, account: Account) -> None:
    WebDriverWait(browser, WAIT_S).until(lambda _: finished(account))


def listed(browser: webdriver.Chrome, *, failed: bool = False) -> list[str]:
    """Return the codes that the page lists as bound, or as *failed*."""
    rows = browser.find_elements(By.CSS_SELECTOR, "ul.rows > li")
    kinds = [row.find_elements(By.CSS_SELECTOR, ":scope > *")[1].get_attribute("class") for row in rows]
    codes = [row.find_element(By.CSS_SELECTOR, ":scope > :first-child").text for row in rows]
    return [code for code, kind in zip(codes, kinds, strict=True) if (kind == "bad") is failed]


def bound(server: Server, account: Account) -> list[tuple[str, str]]:
    """Return the codes that the portal has of hookd, with the ends of their addresses."""
    return [(row["code"], row["handler"].removeprefix(f"{server.url}/bitrix24/")) for row in account.bound]


def kept(server: Server, account: Account) -> tuple[str, str] | None:
    """Return the tokens that hookd has of the portal; None where it has none."""
    portals = Portals(server.directory / "var")
    try:
        if portals.find("default", account.member_id) is None:
            return None
        tokens = portals.tokens("default", account.member_id)
        return tokens.access, tokens.refresh
    finally:
        portals.close()


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [320, 1200])
def test_installing_tells_the_portal_once(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, width: int, language: str
) -> None:
    """
    The page shows what the portal then has; the vendor's script came from its own address, and did its handshake.
    """
    account = bitrix24.add(f"installs-{language}-{width}")
    complaints(browser)

    go(browser, page(bitrix24, server, account, lang=language, stays=1), width=width)
    until_finished(browser, account)
    shoot(browser, f"installed-{language}-{width}")

    words = {
        "ru": ("Приложение установлено", "Портал подключён."),
        "en": ("The app is installed", "The portal is connected."),
    }
    assert all(word in text(browser) for word in (*words[language], bitrix24.domain(account)))
    assert {*bound(server, account)} == ALL
    assert listed(browser) == [code for code, _ in bound(server, account)]
    assert [command for command, _ in account.commands] == ["getInitData", "resizeWindow", "setInstallFinish"]
    assert kept(server, account) is not None
    assert not is_too_wide(browser)
    assert complaints(browser) == []


def test_the_portal_goes_on_to_the_app(browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server) -> None:
    """
    Once it was told; an app without a page of its own says that it works, and tells nothing a second time.
    """
    account = bitrix24.add("goes-on")

    look(browser, page(bitrix24, server, account))
    until_finished(browser, account)
    WebDriverWait(browser, WAIT_S).until(
        lambda _: browser.execute_script("return PORTAL.init.INSTALL") is False  # of the page that came then
    )
    enter(browser)
    shoot(browser, "home")

    assert "Приложение работает" in text(browser)
    assert finished(account) == 1
    event = bitrix24.event(account, "ONCRMREQUISITEADD", {"FIELDS": {"ID": 27}})
    assert bitrix24.send(f"{server.url}/bitrix24/event", event).json()["hook"] == "crm_requisite"


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [320, 1200])
def test_what_could_not_be_bound_waits_for_a_click(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, width: int, language: str
) -> None:
    """
    The page says what, why and what to do; the portal is told after the click, once.
    """
    account = bitrix24.add(f"fails-{language}-{width}")
    bitrix24.failures["placement.bind"] = [
        Refusal(400, "ERROR_PLACEMENT_MAX_COUNT", "Max binding count reached for the placement")
    ]

    go(browser, page(bitrix24, server, account, lang=language, stays=1), width=width)
    button = WebDriverWait(browser, WAIT_S).until(lambda _: browser.find_element(By.ID, "finish"))
    WebDriverWait(browser, WAIT_S).until(lambda _: button.is_displayed())
    shoot(browser, f"partly-{language}-{width}")
    before = finished(account)
    button.click()
    until_finished(browser, account)

    words = {
        "ru": ("Подключено не всё", "Не удалось подключить", "Уберите его или файл хука", "Устраните причину"),
        "en": ("Not everything could be bound", "Could not be bound", "Unbind the other", "Remove the cause"),
    }
    why = "ERROR_PLACEMENT_MAX_COUNT (Max binding count reached for the placement)"
    assert all(word in text(browser) for word in (*words[language], why, "hookd portal bind"))
    assert listed(browser, failed=True) == ["CALL_CARD"]
    assert {*bound(server, account)} == ALL - {("CALL_CARD", "placement")}
    assert listed(browser) == [code for code, _ in bound(server, account)]
    assert (before, finished(account), button.is_enabled()) == (0, 1, False)
    assert not is_too_wide(browser)


def test_opening_the_app_again_binds_what_was_left(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server
) -> None:
    """
    As the page says: the cause is gone, the app is opened anew, and the installation is over.
    """
    account = bitrix24.add("again")
    bitrix24.failures["event.bind"] = [Refusal(400, "ERROR_EVENT_NOT_FOUND", "Event not found")] * len(EVENTS)
    go(browser, page(bitrix24, server, account, stays=1))
    failed, first = listed(browser, failed=True), kept(server, account)

    go(browser, page(bitrix24, server, account, stays=1))
    until_finished(browser, account)

    assert sorted(failed) == sorted(EVENTS)
    assert listed(browser, failed=True) == []
    assert sorted(listed(browser)) == sorted(code for code, _ in bound(server, account)) == sorted(EVENTS + PLACES)
    assert None is not kept(server, account) != first


def test_installing_anew_tells_nothing_that_is_known(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server
) -> None:
    """
    In a portal that has the app, the installer's page keeps newer tokens and what is bound, and ends nothing.
    """
    account = bitrix24.add("anew")
    go(browser, page(bitrix24, server, account, stays=1))
    until_finished(browser, account)
    first, before = kept(server, account), bound(server, account)
    complaints(browser)

    installer = page(bitrix24, server, account, stays=1, handler=f"{server.url}/bitrix24/install")
    go(browser, installer)
    WebDriverWait(browser, WAIT_S).until(lambda _: account.commands[-1][0] == "resizeWindow")

    assert sorted(listed(browser)) == sorted(EVENTS + PLACES)
    assert (bound(server, account), finished(account)) == (before, 1)
    assert None is not kept(server, account) != first
    assert complaints(browser) == []


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [320, 1200])
def test_a_stranger_s_replay_is_refused(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, width: int, language: str
) -> None:
    """
    With tokens that are worth nothing any more, or an employee's, a portal that is known stays as it is.
    """
    account = bitrix24.add(f"replayed-{language}-{width}")
    go(browser, page(bitrix24, server, account, stays=1))
    until_finished(browser, account)
    before, has = kept(server, account), list(account.bound)
    installer = {"handler": f"{server.url}/bitrix24/install", "lang": language}
    texts = []

    for changes in ({"AUTH_ID": "f" * 70}, {"user": EMPLOYEE}):
        go(browser, page(bitrix24, server, account, stays=1, **installer, **changes), width=width)
        texts.append(text(browser))
    shoot(browser, f"not-installed-{language}-{width}")

    title = {"ru": "Установить не получилось", "en": "The app could not be installed"}
    assert [title[language] in found for found in texts] == [True, True]
    assert (kept(server, account), account.bound, finished(account)) == (before, has, 1)
    assert not is_too_wide(browser)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_portal_that_cannot_be_told(
    bitrix24: Bitrix24, server: Server, tmp_path_factory: pytest.TempPathFactory, language: str
) -> None:
    """
    Where the vendor's script does not come, the page says that the portal waits, and for what.
    """
    account = bitrix24.add(f"untold-{language}")
    with open_browser(tmp_path_factory.mktemp("browser"), has_script=False) as browser:
        go(browser, page(bitrix24, server, account, lang=language, stays=1), width=320)
        told = WebDriverWait(browser, WAIT_S).until(lambda _: browser.find_element(By.ID, "untold"))
        WebDriverWait(browser, WAIT_S).until(lambda _: told.is_displayed())
        shoot(browser, f"untold-{language}-320")
        found, title = text(browser), browser.find_element(By.TAG_NAME, "h1")
        assert not title.is_displayed()  # it is not installed, as far as the portal goes

    words = {"ru": "Портал ещё не знает, что установка закончена", "en": "The portal does not know yet"}
    assert words[language] in found
    assert "api.bitrix24.com" in found
    assert (account.commands, kept(server, account) is not None) == ([], True)


def test_a_portal_that_does_not_answer_the_script(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server
) -> None:
    """
    After a while the page says the same: nobody is left to believe that all is done.
    """
    account = bitrix24.add("mute")

    go(browser, page(bitrix24, server, account, lang="en", mute=1))
    before = browser.find_element(By.ID, "untold").is_displayed()
    WebDriverWait(browser, WAIT_S).until(lambda _: browser.find_element(By.ID, "untold").is_displayed())

    assert not before
    assert "The portal does not know yet that the installation is over" in text(browser)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_too_many_at_once_are_told_to_wait(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, language: str
) -> None:
    """
    Where others keep the authorization server busy, the page says so, and an installation works after them.
    """
    account = bitrix24.add(f"waits-{language}")
    installer = page(bitrix24, server, account, lang=language, stays=1)
    strangers = [
        bitrix24.widget(account, "DEFAULT") | {"AUTH_ID": str(number) * 70} for number in range(CONFIRMING_MAX)
    ]
    bitrix24.contacts.clear()
    bitrix24.slow_s = 2.0
    try:
        with ThreadPoolExecutor(CONFIRMING_MAX) as threads:
            opened = [threads.submit(bitrix24.open, f"{server.url}/bitrix24/install", fields) for fields in strangers]
            server.wait(lambda: bitrix24.contacts.count(ASKED) == CONFIRMING_MAX, "the strangers")
            go(browser, installer, width=320)
            shoot(browser, f"busy-{language}-320")
            busy, is_wide = text(browser), is_too_wide(browser)
    finally:
        bitrix24.slow_s = 0.0
    go(browser, installer, width=320)
    until_finished(browser, account)

    assert {"ru": "Слишком много запросов", "en": "Too many requests"}[language] in busy
    assert [reply.result().status_code for reply in opened] == [403] * CONFIRMING_MAX
    assert not is_wide
