"""
Pages in a real browser, as people in a portal see them: Debian's Chromium, with the vendor's script where pages ask it.

The script's own address, https://api.bitrix24.com/api/v1/, is served here by a stand-in (`bx24.js`) with a certificate
of its own, which Chromium takes for this one key: pages and their policies are those that go out to real portals.
"""

import base64
import hashlib
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as conditions
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 20
HOST, PATH = "api.bitrix24.com", "/api/v1/"
SCRIPT = Path(__file__).with_name("bx24.js")
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a directory, for whoever wants to see what the pages look like


@contextmanager
def open_browser(directory: Path, *, has_script: bool = True) -> Iterator[webdriver.Chrome]:
    """
    Start Chromium, without a window and without a network but this machine's.

    Args:
        directory: For its profile.
        has_script: Whether the vendor's script is there; a company's filter may keep it away.
    """
    with _scripts(directory) as (port, key):
        rules = [f"MAP {HOST}:443 127.0.0.1:{port}"] if has_script else []
        rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
            f"--user-data-dir={directory / 'profile'}",
            f"--host-resolver-rules={', '.join(rules)}",
            f"--ignore-certificate-errors-spki-list={key}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        driver.set_page_load_timeout(WAIT_S)
        try:
            yield driver
        finally:
            driver.quit()


def go(browser: webdriver.Chrome, url: str, *, width: int = 1200) -> None:
    """
    Open the portal's page at *url*, and go into its frame once there is a page in it.
    """
    look(browser, url, width=width)
    enter(browser)


def look(browser: webdriver.Chrome, url: str, *, width: int = 1200) -> None:
    """
    Open the portal's page at *url*.
    """
    browser.switch_to.default_content()
    # A window of Chromium is never narrower than 500 pixels: a device is.
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(url)


def enter(browser: webdriver.Chrome) -> None:
    """
    Go into the frame of the portal's page, once there is a page in it.
    """
    browser.switch_to.frame(0)
    WebDriverWait(browser, WAIT_S).until(conditions.presence_of_element_located((By.TAG_NAME, "main")))


def shoot(browser: webdriver.Chrome, name: str) -> None:
    """
    Take a picture of the portal's page, if pictures are wanted.
    """
    if SCREENSHOTS:
        browser.switch_to.default_content()
        browser.save_screenshot(str(Path(SCREENSHOTS) / f"{name}.png"))
        browser.switch_to.frame(0)


def text(browser: webdriver.Chrome) -> str:
    """
    Return what is seen of the page in the frame.
    """
    return str(browser.find_element(By.TAG_NAME, "main").text)


def is_too_wide(browser: webdriver.Chrome) -> bool:
    """
    Whether the page would have to be scrolled sideways.
    """
    return bool(browser.execute_script("return document.documentElement.scrollWidth > innerWidth"))


def complaints(browser: webdriver.Chrome) -> list[str]:
    """
    Return what went wrong in the pages since this was last asked: what a policy refused, errors of scripts.
    """
    found: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in found if "favicon.ico" not in entry["message"]]


@contextmanager
def _scripts(directory: Path) -> Iterator[tuple[int, str]]:
    """Serve the script, and give the port and what Chromium knows the server's key by."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = directory / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + _certificate(key).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        yield server.server_address[1], base64.b64encode(hashlib.sha256(public).digest()).decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )


class _Handler(BaseHTTPRequestHandler):
    timeout = 5

    def do_GET(self) -> None:
        body = SCRIPT.read_bytes() if self.path == PATH else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/javascript; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
