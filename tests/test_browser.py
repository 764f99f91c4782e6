"""
A page in a real browser, as an employee sees it: the portal's page, the iframe in it, a click, and a note that is kept.
"""

import json
import shutil
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import ROOT, Server, finish
from tests.portal.browsing import WAIT_S, complaints, go, is_too_wide, open_browser, shoot, text
from tests.portal.server import Account, Bitrix24
from tests.portal.serving import SITE, serve_with

SETTINGS = "[placements.call_card]\ndeals = 5\nnotes = true\n[placements.crm_detail_activity]\ncalls = 20\n"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
CALL = {
    "CALL_ID": "externalCall.1",
    "PHONE_NUMBER": "+79001234567",
    "CRM_ENTITY_TYPE": "CONTACT",
    "CRM_ENTITY_ID": "1",
    "CALL_DIRECTION": "incoming",
}

SEEN = {
    "CRM_CONTACT_DETAIL_ACTIVITY": ("пропущен", "missed"),
    "LEFT_MENU": ("Страница не получилась", "This page did not work out"),
    "CRM_DEAL_DETAIL_TAB": ("Показать нечего", "Nothing to show"),
    "PAGE_BACKGROUND_WORKER": ("Здесь пока пусто", "Nothing here yet"),
    "DEFAULT": ("Приложение работает", "The app is working"),
}


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hookd with the example hooks, set."""
    directory = tmp_path_factory.mktemp("server")
    for folder in ("placements", "templates", "lib"):
        shutil.copytree(ROOT / "hooks" / folder, directory / "hooks" / folder)
    (directory / "hooks" / "placements" / "left_menu.py").write_text("def left_menu(placement):\n    return 1 / 0\n")
    (directory / "hooks" / "placements" / "crm_deal_detail_tab.py").write_text(
        "def crm_deal_detail_tab(placement): ...\n"
    )
    (directory / "hooks" / "settings.toml").write_text(SETTINGS)
    started = serve_with(bitrix24, directory, config=f'{SITE}time_zone = "Europe/Moscow"\n')
    yield started
    finish(started)


@pytest.fixture(scope="module")
def acme(server: Server, bitrix24: Bitrix24) -> Account:
    """A portal with a client who has deals and calls, and a name that somebody hostile wrote."""
    account = bitrix24.add("acme")
    account.items["crm.contact"] = {1: {"ID": "1", "NAME": "Анна", "LAST_NAME": f"Петрова {HOSTILE}"}}
    account.items["crm.deal"] = {
        number: {"ID": str(number), "TITLE": title, "OPPORTUNITY": "125000.00", "CURRENCY_ID": "RUB"}
        for number, title in enumerate(["Котёл для дома, монтаж и пусконаладка", "Сервисный договор на 2026 год"], 1)
    }
    account.items["crm.activity"] = {
        number: {"SUBJECT": subject, "DIRECTION": way, "START_TIME": "2026-03-01T09:30:00+03:00", "COMPLETED": done}
        for number, (subject, way, done) in enumerate(
            [("Входящий от +7 900 123-45-67", "1", "N"), ("Исходящий на +7 900 123-45-67", "2", "Y")], 1
        )
    }
    bitrix24.install(f"{server.url}/bitrix24/install", account)
    return account


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def show(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, code: str, *, width: int = 1200, language: str = "ru"
) -> None:
    """Open the portal's page around the widget *code*, and go into its frame."""
    query = {"code": code, "handler": f"{server.url}/bitrix24/placement", "lang": language}
    options = CALL if code == "CALL_CARD" else {"ID": "1"}
    go(browser, f"{bitrix24.url}/portal/acme/page?{urlencode({**query, 'options': json.dumps(options)})}", width=width)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [320, 1200])
def test_a_note_is_saved_by_a_click(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account, width: int, language: str
) -> None:
    """
    Portal page, iframe, page, click: the note is there, and still there when the tab is opened anew.
    """
    note = f"Перезвонить в {width}, {language} <b>"
    show(browser, bitrix24, server, "CALL_CARD", width=width, language=language)
    before = text(browser)
    browser.find_element(By.NAME, "note").send_keys(note)
    button = browser.find_element(By.TAG_NAME, "button")
    shoot(browser, f"call-card-{language}-{width}-before")

    button.click()
    WebDriverWait(browser, WAIT_S).until(conditions.staleness_of(button))
    WebDriverWait(browser, WAIT_S).until(conditions.presence_of_element_located((By.TAG_NAME, "button")))
    shoot(browser, f"call-card-{language}-{width}")
    after = text(browser)
    show(browser, bitrix24, server, "CALL_CARD", width=width, language=language)

    words = ("Открытые сделки", "Сохранить") if language == "ru" else ("Open deals", "Save")
    assert all(word in before for word in (*words, "Анна Петрова", "Котёл для дома"))
    assert note not in before
    assert note in after
    assert note in text(browser)
    assert not is_too_wide(browser)


def test_the_frame_is_as_high_as_the_page(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account
) -> None:
    """
    The layout asks the portal for it by the vendor's script, which its policy lets in.
    """
    complaints(browser)
    acme.commands.clear()
    show(browser, bitrix24, server, "CALL_CARD", width=320)
    WebDriverWait(browser, WAIT_S).until(lambda _: "resizeWindow" in dict(acme.commands))
    WebDriverWait(browser, WAIT_S).until(
        lambda driver: driver.execute_script("return innerHeight >= document.documentElement.scrollHeight")
    )

    assert [command for command, _ in acme.commands] == ["getInitData", "resizeWindow"]
    assert complaints(browser) == []


def test_what_strangers_wrote_does_nothing(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account
) -> None:
    """
    A client's name with HTML in it is shown as it was written; no script of it runs.
    """
    show(browser, bitrix24, server, "CALL_CARD")

    assert HOSTILE in text(browser)
    assert browser.execute_script("return document.title") != "hacked"
    assert browser.find_elements(By.TAG_NAME, "img") == []


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("width", [320, 1200])
@pytest.mark.parametrize("code", list(SEEN))
def test_pages_are_seen(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account, code: str, width: int, language: str
) -> None:
    """
    A history of calls, a hook that fails or has nothing to show, a place without a hook, an app without a page:
    never a blank frame, nor one that is too wide.
    """
    complaints(browser)
    show(browser, bitrix24, server, code, width=width, language=language)
    shoot(browser, f"{code.lower()}-{language}-{width}")

    assert SEEN[code][language == "en"] in text(browser)
    assert not is_too_wide(browser)
    assert complaints(browser) == []


def test_nobody_else_frames_a_page(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account
) -> None:
    """
    In the frame of another host the browser shows nothing of it.
    """
    other = bitrix24.url.replace("127.0.0.1", "localhost")
    query = {"code": "CALL_CARD", "handler": f"{server.url}/bitrix24/placement", "lang": "ru"}
    browser.switch_to.default_content()
    browser.get(f"{other}/portal/acme/page?{urlencode({**query, 'options': json.dumps(CALL)})}")
    browser.switch_to.frame(0)

    assert browser.find_elements(By.NAME, "note") == []
