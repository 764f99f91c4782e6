"""
A page in a real browser, as an employee sees it: the portal's page, the iframe in it, a click, and a note that is kept.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import ROOT, Server, finish
from tests.portal.server import Account, Bitrix24
from tests.portal.serving import SITE, serve_with

WAIT_S = 20
SETTINGS = "[placements.call_card]\ndeals = 5\nnotes = true\n[placements.crm_detail_activity]\ncalls = 20\n"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
CALL = {
    "CALL_ID": "externalCall.1",
    "PHONE_NUMBER": "+79001234567",
    "CRM_ENTITY_TYPE": "CONTACT",
    "CRM_ENTITY_ID": "1",
    "CALL_DIRECTION": "incoming",
}
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a directory, for whoever wants to see what the pages look like


@pytest.fixture(scope="module")
def bitrix24() -> Iterator[Bitrix24]:
    with Bitrix24() as started:
        yield started


@pytest.fixture(scope="module")
def server(bitrix24: Bitrix24, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """hookd with the example hooks, set."""
    directory = tmp_path_factory.mktemp("server")
    for folder in ("placements", "templates", "lib"):
        shutil.copytree(ROOT / "hooks" / folder, directory / "hooks" / folder)
    (directory / "hooks" / "placements" / "left_menu.py").write_text("def left_menu(placement):\n    return 1 / 0\n")
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
    """Debian's Chromium, without a window and without a network but this machine's."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(WAIT_S)
    yield driver
    driver.quit()


def show(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, code: str, *, width: int = 1200, language: str = "ru"
) -> None:
    """Open the portal's page around the widget *code*, and go into its iframe."""
    query = {"code": code, "handler": f"{server.url}/bitrix24/placement", "lang": language, "portal": "acme"}
    options = CALL if code == "CALL_CARD" else {"ID": "1"}
    browser.switch_to.default_content()
    # A window of Chromium is never narrower than 500 pixels: a device is.
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(f"{bitrix24.url}/portal/acme/page?{urlencode({**query, 'options': json.dumps(options)})}")
    browser.switch_to.frame(0)
    WebDriverWait(browser, WAIT_S).until(conditions.presence_of_element_located((By.TAG_NAME, "main")))


def shoot(browser: webdriver.Chrome, name: str) -> None:
    if SCREENSHOTS:
        browser.switch_to.default_content()
        browser.save_screenshot(str(Path(SCREENSHOTS) / f"{name}.png"))
        browser.switch_to.frame(0)


def text(browser: webdriver.Chrome) -> str:
    return str(browser.find_element(By.TAG_NAME, "main").text)


def is_too_wide(browser: webdriver.Chrome) -> bool:
    """Whether the page would have to be scrolled sideways."""
    return bool(browser.execute_script("return document.documentElement.scrollWidth > innerWidth"))


def refused(browser: webdriver.Chrome) -> list[str]:
    """Return what the browser refused to do for the page's policy."""
    found = [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]
    return [message for message in found if "Content Security Policy" in message]


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
@pytest.mark.parametrize("code", ["CRM_CONTACT_DETAIL_ACTIVITY", "LEFT_MENU", "PAGE_BACKGROUND_WORKER"])
def test_pages_are_seen(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account, code: str, width: int, language: str
) -> None:
    """
    A history of calls, a hook that fails, a place without a hook: never a blank frame, nor one that is too wide.
    """
    browser.get_log("browser")  # type: ignore[no-untyped-call]
    show(browser, bitrix24, server, code, width=width, language=language)
    shoot(browser, f"{code.lower()}-{language}-{width}")

    expected = {
        "CRM_CONTACT_DETAIL_ACTIVITY": ("пропущен", "missed"),
        "LEFT_MENU": ("Страница не получилась", "This page did not work out"),
        "PAGE_BACKGROUND_WORKER": ("Здесь пока пусто", "Nothing here yet"),
    }
    assert expected[code][language == "en"] in text(browser)
    assert not is_too_wide(browser)
    assert refused(browser) == []


def test_nobody_else_frames_a_page(
    browser: webdriver.Chrome, bitrix24: Bitrix24, server: Server, acme: Account
) -> None:
    """
    In the frame of another host the browser shows nothing of it.
    """
    other = bitrix24.url.replace("127.0.0.1", "localhost")
    query = {"code": "CALL_CARD", "handler": f"{server.url}/bitrix24/placement", "lang": "ru", "portal": "acme"}
    browser.switch_to.default_content()
    browser.get(f"{other}/portal/acme/page?{urlencode({**query, 'options': json.dumps(CALL)})}")
    browser.switch_to.frame(0)

    assert browser.find_elements(By.NAME, "note") == []
