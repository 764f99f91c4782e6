"""
`hookd bridge`, as an operator uses it: installed, looked at, taken away; old actions beside new hooks.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hookd import samples
from hookd.bridge import compare as bridge_compare
from hookd.bridge import config, switches
from hookd.bridge.compare import Old
from hookd.bridge.php import ACTION
from hookd.documents import Json
from hookd.points import POINTS
from tests.conftest import ROOT, free_port, start

COMMAND_S = 120.0
OWNER, GROUP = 12345, 12346  # of a directory that is not ours

HOOK = 'def process_client_phone(request):\n    return {"phone": request["phone"][-10:]}\n'
OLD = """<?php
$phone = $params['phone'];
return array('state' => 'success', 'data' => array('phone' => substr($phone, -10)));
"""
EXAMPLE = "<?php\n/* An example. */\n// return array('state' => 'success');\n# nothing\n?>\n"
BRIDGE = ACTION.read_text("utf-8")


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.err == ""
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    """A site, and the connector's actions beside it."""

    directory: Path

    @property
    def actions(self) -> Path:
        return self.directory / "actions"

    @property
    def site(self) -> Path:
        return self.directory / "site"

    def bridge(self, *arguments: str) -> Ended:
        """Run a command on the actions."""
        command = [sys.executable, "-m", "hookd", "bridge", *arguments, "--dir", str(self.actions)]
        environment = {**os.environ, "HOOKD_CONFIG": ""}
        done = subprocess.run(
            command, cwd=self.site, capture_output=True, text=True, timeout=COMMAND_S, env=environment, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def files(self) -> dict[str, str]:
        """Return what is in the connector's directory, by name."""
        paths = sorted(path for path in self.actions.rglob("*") if path.is_file())
        return {str(path.relative_to(self.actions)): path.read_text() for path in paths}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.actions.mkdir()
    made.write("site/hooks/process_client_phone.py", HOOK)
    made.write("site/hookd.toml", 'bind = "127.0.0.1:8085"\n')
    return made


def config_of(place: Place) -> str:
    return (place.actions / "hookd" / "config.php").read_text()


# ---- install and remove ----------------------------------------------------------------------------------------


def test_install_goes_where_there_is_a_hook_and_remove_undoes_it(place: Place) -> None:
    """
    The old action is kept and comes back byte for byte, with its mode; what had no file has none again.
    """
    place.write("site/hooks/need_registration.py", 'def need_registration(request):\n    return {"result": False}\n')
    place.write("actions/process_client_phone.php", OLD).chmod(0o755)
    place.write("actions/process_user_phone.php", OLD)
    before = place.files()

    installed = place.bridge("install")
    with_bridge = place.files()
    removed = place.bridge("remove")

    assert (installed.code, installed.err) == (0, "")
    a = place.actions
    assert installed.out.splitlines() == [
        f"{a}/hookd/config.php: written",
        f"{a}/need_registration.php: installed",
        f"{a}/process_client_phone.php: installed; the action that stood there is kept as "
        f"{a}/hookd/old/process_client_phone.php",
        "hookd: http://127.0.0.1:8085; the token: none is set for the site default, so hookd answers this machine "
        "only, and asks for none",
        "Next: switch these on in the connector's settings, then `hookd bridge status`.",
    ]
    assert with_bridge == {
        **before,
        "need_registration.php": BRIDGE,
        "process_client_phone.php": BRIDGE,
        "hookd/old/process_client_phone.php": OLD,
        "hookd/config.php": with_bridge["hookd/config.php"],
        "hookd/installed.json": with_bridge["hookd/installed.json"],
    }
    assert (removed.code, removed.err) == (0, "")
    assert removed.out.splitlines() == [
        f"{a}/need_registration.php: removed",
        f"{a}/process_client_phone.php: what stood there is back",
        f"{a}/hookd: removed",
    ]
    assert place.files() == before
    assert (a / "process_client_phone.php").stat().st_mode & 0o777 == 0o755


def test_twice_is_once(place: Place) -> None:
    """
    A second install changes nothing, and neither does a second remove.
    """
    place.write("actions/process_client_phone.php", OLD)
    place.bridge("install")
    once = place.files()

    again = place.bridge("install", "--format", "json").json()
    twice = place.files()
    place.bridge("remove")
    nothing = place.bridge("remove")

    assert [one["is_changed"] for one in again["files"]] == [False, False]
    assert (twice, again["url"]) == (once, "http://127.0.0.1:8085")
    assert (nothing.code, nothing.out) == (0, f"{place.actions}: there is no bridge\n")


def test_single_points_are_installed_and_removed(place: Place) -> None:
    """
    Points that are named need no hook; the config stays as long as there is any bridge.
    """
    place.bridge("install", "post_registration", "get_updated_lead_fields")
    installed = set(place.files())
    place.bridge("remove", "post_registration")

    config_files = {"hookd/config.php", "hookd/installed.json"}
    assert installed == {"post_registration.php", "customize_entity.php", *config_files}
    assert set(place.files()) == {"customize_entity.php", *config_files}


def test_the_old_layout_has_all_names(place: Place) -> None:
    """
    In `custom`, the directory of old connectors, a point stands under every name that it ever had.
    """
    place.actions.rename(place.directory / "custom")
    place.actions.symlink_to("custom")
    command = ["install", "customize_entity", "--dir", str(place.directory / "custom")]
    done = subprocess.run(
        [sys.executable, "-m", "hookd", "bridge", *command], cwd=place.site, capture_output=True, timeout=COMMAND_S
    )

    assert done.returncode == 0, done.stderr
    assert {name for name in place.files() if "/" not in name} == {
        "customize_entity.php",
        "get_updated_entity_fields.php",
        "get_updated_lead_fields.php",
    }


def test_an_example_without_code_is_no_old_action(place: Place) -> None:
    """
    A file with nothing but comments comes back in the end, but nobody falls back to it or compares with it.
    """
    place.write("actions/process_client_phone.php", EXAMPLE)

    installed = place.bridge("install", "--format", "json").json()
    status = place.bridge("status", "--format", "json").json()
    compared = place.bridge("compare")
    place.bridge("remove")

    assert installed["files"][1]["what"].startswith("installed; what stood there, without code, is kept as ")
    one = next(one for one in status["actions"] if one["point"] == "process_client_phone")
    assert (one["state"], one["has_old"]) == ("bridge", False)
    assert compared.err.endswith("there is no action but the bridge, and none that it has replaced\n")
    assert place.files() == {"process_client_phone.php": EXAMPLE}


def test_what_was_put_over_the_bridge_is_left_alone(place: Place) -> None:
    """
    Somebody's new action is told by status, survives a remove, and is kept beside the first by another install.
    """
    place.write("actions/process_client_phone.php", OLD)
    place.bridge("install")
    newer = OLD.replace("-10", "-11")
    place.write("actions/process_client_phone.php", newer)

    status = place.bridge("status")
    place.bridge("install")
    both = place.files()
    place.write("actions/process_client_phone.php", "<?php return 1;")
    removed = place.bridge("remove")

    a = place.actions
    assert (status.code, status.err) == (
        1,
        f"{a}/process_client_phone.php: overwritten since; `hookd bridge install`\n",
    )
    assert (both["hookd/old/process_client_phone.php"], both["hookd/old/process_client_phone.php.1"]) == (newer, OLD)
    assert removed.out.splitlines()[0] == (
        f"{a}/process_client_phone.php: left alone, since somebody has put another file there; what the bridge had "
        f"replaced stays in {a}/hookd/old/process_client_phone.php"
    )
    assert place.files()["process_client_phone.php"] == "<?php return 1;"
    assert "hookd/config.php" not in place.files()


def test_an_update_of_the_connector_does_not_lose_the_old_action(place: Place) -> None:
    """
    Where an update has put its example over the bridge, the next install keeps the integrator's action, not that.
    """
    place.write("actions/process_client_phone.php", OLD)
    place.bridge("install")
    place.write("actions/process_client_phone.php", EXAMPLE)

    place.bridge("install")
    place.bridge("remove")

    assert place.files() == {"process_client_phone.php": OLD}


def test_an_outdated_bridge_is_brought_up_to_date(place: Place) -> None:
    """
    A bridge of another version is a bridge: not an old action, replaced without being kept.
    """
    place.bridge("install")
    place.write("actions/process_client_phone.php", BRIDGE.replace("4096", "2048"))

    status = place.bridge("status")
    again = place.bridge("install")

    assert (status.code, "bridge of another version" in status.out) == (1, True)
    assert f"{place.actions}/process_client_phone.php: brought up to date" in again.out.splitlines()
    assert place.files()["process_client_phone.php"] == BRIDGE
    assert "hookd/old/process_client_phone.php" not in place.files()


def test_a_link_becomes_a_file_and_a_link_again(place: Place) -> None:
    """
    PHP takes the name of a linked file from its target, so the bridge is a file of its own; the link comes back.
    """
    place.write("shared/phone.php", OLD)
    (place.actions / "process_client_phone.php").symlink_to("../shared/phone.php")

    place.bridge("install")
    file = place.actions / "process_client_phone.php"
    is_link = file.is_symlink()
    kept = place.files()["hookd/old/process_client_phone.php"]
    place.bridge("remove")

    assert (is_link, kept) == (False, OLD)
    assert (os.readlink(file), (place.directory / "shared/phone.php").read_text()) == ("../shared/phone.php", OLD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_belong_to_the_directorys_owner(place: Place) -> None:
    """
    Installed by root, everything is the connector's to read, and the token nobody else's.
    """
    os.chown(place.actions, OWNER, GROUP)
    place.actions.chmod(0o750)

    place.bridge("install")

    paths = {path: path.stat() for path in place.actions.rglob("*")}
    assert {(found.st_uid, found.st_gid) for found in paths.values()} == {(OWNER, GROUP)}
    modes = {str(path.relative_to(place.actions)): found.st_mode & 0o777 for path, found in paths.items()}
    assert modes == {
        "process_client_phone.php": 0o644,
        "hookd": 0o750,
        "hookd/old": 0o750,
        "hookd/config.php": 0o640,
        "hookd/installed.json": 0o644,
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_write_is_told_who_may() -> None:
    """
    Nothing is half done where nothing may be written.
    """
    become = f"os.setgid({GROUP}); os.setuid({OWNER})"
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        place.directory.chmod(0o755)
        place.actions.mkdir()
        place.write("site/hooks/process_client_phone.py", HOOK)
        # What is imported later could not be read any more where the interpreter lies below /root.
        modules = "import locale, os, sys, hookd.cli.bridge; from hookd import cli"
        program = f"{modules}; {become}; sys.exit(cli.main())"
        command = [sys.executable, "-c", program, "bridge", "install", "--dir", str(place.actions)]

        done = subprocess.run(command, cwd=place.site, capture_output=True, text=True, timeout=COMMAND_S, check=False)

        said = f"hookd: {place.actions}/hookd: cannot be written: Permission denied. "
        assert (done.returncode, done.stderr) == (2, f"{said}Run this as root, or as the owner of {place.actions}\n")
        assert place.files() == {}


def test_mistakes_are_told(place: Place) -> None:
    """
    No directory, no hooks, no URL, no such file or group, a foreign record: each with what to do.
    """
    shutil.rmtree(place.actions)
    nowhere = place.bridge("install")
    place.actions.mkdir()
    url = place.bridge("install", "--url", "127.0.0.1:8080")
    ca = place.bridge("install", "--url", "https://hookd.example.com", "--ca", "ca.pem")
    group = place.bridge("install", "--group", "no-such-group")
    (place.site / "hooks" / "process_client_phone.py").unlink()
    hookless = place.bridge("install")
    place.write("actions/hookd/installed.json", "[]")
    foreign = place.bridge("status")
    shutil.rmtree(place.actions / "hookd")
    (place.actions / "hookd").symlink_to("/tmp")
    link = place.bridge("install", "post_registration")

    ended = (nowhere, url, ca, group, hookless, foreign, link)
    assert [(one.code, one.out) for one in ended] == [(2, "")] * len(ended)
    assert nowhere.err == (
        f"hookd: {place.actions}: there is no such directory. Name the connector's with --dir: "
        "/opt/itgrix_bx/customizer/actions, or /opt/itgrix_bx/custom before its version 3.4.0\n"
    )
    assert url.err.endswith(
        "argument --url: '127.0.0.1:8080': http://HOST:PORT, https://HOST[:PORT] or unix:/PATH is expected\n"
    )
    assert ca.err == "hookd: ca.pem: there is no such file; --ca names one with certificates in PEM\n"
    assert group.err.endswith("argument --group: there is no group 'no-such-group' on this machine\n")
    assert hookless.err == (
        f"hookd: {place.site}/hooks: no point has a hook; `hookd new POINT` writes one, or name the points here\n"
    )
    assert foreign.err.startswith(f"hookd: {place.actions}/hookd/installed.json: is not what hookd wrote: ")
    said = "is a symbolic link; hookd keeps its files in a directory of its own. Move it away"
    assert link.err == f"hookd: {place.actions}/hookd: {said}\n"


# ---- the token and the config ----------------------------------------------------------------------------------

TOKEN = "0123456789abcdef"


def test_a_token_is_made_where_the_site_keeps_tokens(place: Place) -> None:
    """
    A site with a tokens_file gets one for the bridge, once; whoever may read the file stays the same.
    """
    tokens = place.write("site/secrets/tokens", TOKEN)
    tokens.chmod(0o600)
    place.write("site/hookd.toml", '[site]\ntokens_file = "secrets/tokens"\n')

    first = place.bridge("install")
    made = tokens.read_text().split()[1]
    second = place.bridge("install")
    tokens.write_text(f"{TOKEN}\n")
    revoked = place.bridge("status")
    removed = place.bridge("remove")

    assert f"the token: made for the bridge, and added to {tokens}" in first.out
    assert (f"'token' => '{made}'," in first.out, len(made)) == (False, 32)
    assert "the token: the bridge's own, as before" in second.out
    assert tokens.stat().st_mode & 0o777 == 0o600
    told = f"{place.actions}/hookd/config.php: its token is none of the site's; `hookd bridge install` takes another\n"
    assert (revoked.code, revoked.err) == (1, told)
    assert removed.out.endswith("Its token is valid until you take it out of the site's tokens.\n")


def test_tokens_that_are_set_or_named_are_taken(place: Place) -> None:
    """
    Without a tokens_file the first token of the site is taken, and one from a file in any case.
    """
    place.write("site/sites/acme/site.toml", f'tokens = ["{TOKEN}", "fedcba9876543210"]')
    place.write("site/sites/acme/hooks/process_client_phone.py", HOOK)
    mine = place.write("mine", "other-0123456789abcdef\n")

    set_ = place.bridge("install", "--site", "acme")
    of_site = config_of(place)
    named = place.bridge(
        "install", "--site", "acme", "--token-file", str(mine), "--url", "https://hookd.example.com/x/"
    )
    of_file = config_of(place)
    short = place.bridge("install", "--token-file", str(place.write("short", "abc")))

    assert "the token: the first of the tokens that are set for the site acme" in set_.out
    assert ("'token' => '0123456789abcdef'" in of_site, "'path' => '/sites/acme'" in of_site) == (True, True)
    assert f"hookd: https://hookd.example.com/x/sites/acme; the token: from {mine}" in named.out
    assert "'token' => 'other-0123456789abcdef'" in of_file
    assert (short.code, short.err.partition(":")[0]) == (2, "hookd")
    assert f"{place.directory}/short: a token has at least 16 printable ASCII characters" in short.err


def test_the_bridge_waits_a_little_longer_than_hookd(place: Place) -> None:
    """
    Limits follow timeout_s, and the recording's stays below the connector's own; changed settings are told.
    """
    place.write("site/hookd.toml", "[points.process_client_phone]\ntimeout_s = 0.2\n")
    place.bridge("install")
    text = config_of(place)
    place.write("site/hookd.toml", "[points.process_client_phone]\ntimeout_s = 3\n")
    status = place.bridge("status")

    assert ("'process_client_phone' => 0.7," in text, "'process_record_file_path' => 9.9," in text) == (True, True)
    told = "its limits are those of other settings; `hookd bridge install` writes them anew"
    assert (status.code, status.err) == (1, f"{place.actions}/hookd/config.php: {told}\n")


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:81", "http://127.0.0.1:81"),
        ("[::]:81", "http://[::1]:81"),
        ("10.0.0.5:81", "http://10.0.0.5:81"),
        ("unix:/run/hookd.sock", "unix:/run/hookd.sock"),
    ],
)
def test_hookd_is_asked_where_it_listens(bind: str, url: str) -> None:
    """
    Without --url the bridge asks the hookd of this machine; what it makes of `bind` is a URL that it takes.
    """
    assert config.address(bind) == url
    assert config.check_url(url) == url


@pytest.mark.parametrize(
    "url", ["", "hookd", "ftp://a", "http://", "http://a b", "http://a:b@c/", "http://a/?x", "unix:a"]
)
def test_other_urls_are_refused(url: str) -> None:
    """
    No credentials, no query, nothing that the bridge could not ask.
    """
    with pytest.raises(ValueError, match="is expected"):
        config.check_url(url)


# ---- status ----------------------------------------------------------------------------------------------------


class Panel(BaseHTTPRequestHandler):
    """
    The connector's admin panel: /status behind digest authentication, as its server gives it.
    """

    body = b'{"app": {"customizer": {"enabled": true, "methods": {"process_client_phone": false}}}}'

    def do_GET(self) -> None:
        fields = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))
        secret = hashlib.md5(b"admin:panel:secret").hexdigest()
        asked = hashlib.md5(f"GET:{self.path}".encode()).hexdigest()
        parts = (secret, fields.get("nonce"), fields.get("nc"), fields.get("cnonce"), fields.get("qop"), asked)
        expected = hashlib.md5(":".join(map(str, parts)).encode()).hexdigest()
        if self.path != "/status" or fields.get("response") != expected:
            self.send_response(401 if self.path == "/status" else 404)
            self.send_header("WWW-Authenticate", 'Digest realm="panel", nonce="abc", qop="auth", algorithm=MD5')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def panel() -> Iterator[tuple[str, type[Panel]]]:
    """The URL of a panel, and its class, on which a test sets what it says."""
    kind = type("OnePanel", (Panel,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()
    thread.join()


def test_status_shows_each_point(place: Place, panel: tuple[str, type[Panel]]) -> None:
    """
    Hook, file and switch of every point; what is switched off although the bridge stands there is a problem.
    """
    url, _ = panel
    place.write("actions/process_user_phone.php", OLD)
    place.write("password", "secret\n")
    place.bridge("install")

    status = place.bridge("status", "--connector", url, "--user", "admin", "--password-file", "../password")

    rows = [line.split("  ") for line in status.out.splitlines()]
    shown = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert shown["action"] == ["hook", "file", "switch", "last call"]
    assert shown["process_client_phone.php"] == ["yes", "bridge", "off", "-"]
    assert shown["process_user_phone.php"] == ["-", "another action", "-", "-"]
    assert [line.partition(": ")[0] for line in status.out.splitlines()[1 + len(POINTS) :]] == ["last call"]
    assert status.err == f"{place.actions}/process_client_phone.php: switched off in the connector's settings\n"
    assert status.code == 1


def test_status_is_fine_where_all_is_well(place: Place, panel: tuple[str, type[Panel]]) -> None:
    """
    Switched on, there is nothing to say; without --connector the switches are just unknown.
    """
    url, kind = panel
    kind.body = kind.body.replace(b"false", b"true")
    place.write("password", "secret")
    place.bridge("install")

    asked = place.bridge(
        *("status", "--connector", url, "--user", "admin", "--password-file", "../password", "--format", "json")
    ).json()
    unasked = place.bridge("status")

    one = next(one for one in asked["actions"] if one["point"] == "process_client_phone")
    assert one == {
        "point": "process_client_phone",
        "file": f"{place.actions}/process_client_phone.php",
        "has_hook": True,
        "state": "bridge",
        "has_old": False,
        "switch": "on",
        "last_call": None,
    }
    nothing = f"{place.site}/var/runs.sqlite: there is no journal; `hookd serve` writes it"
    assert (asked["switches"], asked["journal"], asked["problems"]) == (None, nothing, [])
    assert (unasked.code, unasked.err) == (0, "")
    assert unasked.out.endswith(
        f"last call: {nothing}\n"
        "switches: not asked; --connector http://HOST:8077 --user NAME --password-file FILE shows them\n"
    )


def test_status_tells_what_the_connector_does_not(place: Place, panel: tuple[str, type[Panel]]) -> None:
    """
    A customizer that is off, a wrong password, another page, nobody there: each in words, none stops the table.
    """
    url, kind = panel

    def read(at: str = url, password: str = "secret") -> str:
        return switches.read(at, "admin", password).fault

    wrong = read(password="other")
    kind.body = b"<html>"
    html = read()
    kind.body = b'{"app": {"customizer": null}}'
    old = read()
    nobody = f"http://127.0.0.1:{free_port()}"

    assert wrong == f"{url}/status: the connector refuses this user and password; use those of its admin panel"
    unknown = f"{url}/status: its answer has no app.customizer; a connector from 3.6.0 on has one"
    assert (html, old) == (unknown, unknown)
    assert read(f"{url}/x") == f"{url}/x/status: HTTP status 404; is this the connector?"
    assert read(nobody) == f"{nobody}/status: not reachable: nothing answers there"
    kind.body = b'{"app": {"customizer": {"enabled": false, "methods": null}}}'
    place.write("password", "secret")
    place.bridge("install")
    off = place.bridge("status", "--connector", url, "--user", "admin", "--password-file", "../password")
    lost = place.bridge("status", "--connector", url, "--user", "admin")
    assert off.err == "the connector uses no customizations: switch its customizer on\n"
    assert (lost.code, lost.err) == (
        2,
        "hookd: --connector needs --user and --password-file, those of the connector's admin panel\n",
    )


def test_status_tells_of_files_that_are_gone_and_hooks_that_are(place: Place) -> None:
    """
    A bridge that somebody deleted, one without a hook, and a config that is gone.
    """
    place.bridge("install", "process_client_phone", "process_user_phone", "post_registration")
    (place.actions / "post_registration.php").unlink()
    (place.actions / "hookd" / "config.php").unlink()

    status = place.bridge("status")

    a = place.actions
    assert status.err.splitlines() == [
        f"{a}/hookd/config.php: cannot be read: No such file or directory. `hookd bridge install` writes it",
        f"{a}/post_registration.php: gone since; `hookd bridge install`",
        f"{a}/process_user_phone.php: the site has no hook for it",
    ]


@pytest.fixture
def recorded(place: Place) -> Place:
    """A place in whose journal three numbers were asked about, and one division by zero."""
    place.write("site/hooks/need_registration.py", "def need_registration(request):\n    return {'result': 1 / 0}\n")
    server = start(place.site)
    try:
        for phone in ("+7 900 123-45-67", "101", "+79007654321"):
            server.post("process_client_phone", {"phone": phone})
        server.post("need_registration", {})
        server.wait(lambda: len(runs(place)) == 4, "the journal")
    finally:
        server.stop()
    return place


def runs(place: Place) -> list[dict[str, Any]]:
    """Return what the journal has, the newest last."""
    command = [sys.executable, "-m", "hookd", "runs", "--format", "json"]
    done = subprocess.run(command, cwd=place.site, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else []


def test_status_shows_when_a_point_was_last_asked(recorded: Place) -> None:
    """
    The last run of each point with its outcome, in the site's zone; "-" where there is none, and for another site.
    """
    *_, phone, need = runs(recorded)
    text = (recorded.site / "hookd.toml").read_text()
    recorded.write("site/hookd.toml", text + '[site]\ntime_zone = "Asia/Yekaterinburg"\n')
    recorded.write("site/sites/acme/hooks/process_client_phone.py", HOOK)

    table = recorded.bridge("status").out.splitlines()
    document = recorded.bridge("status", "--format", "json").json()
    other = recorded.bridge("status", "--site", "acme", "--format", "json").json()

    def local(run: dict[str, Any]) -> str:
        return f"{datetime.fromisoformat(run['at']).astimezone(ZoneInfo('Asia/Yekaterinburg')):%Y-%m-%d %H:%M:%S}"

    rows = {line.split()[0]: line for line in table}
    assert rows["process_client_phone.php"].endswith(f"  {local(phone)} ok")
    assert rows["need_registration.php"].endswith(f"  {local(need)} fallback error")
    assert rows["process_user_phone.php"].endswith("  -")
    assert [line for line in table if line.startswith("last call:")] == []
    found = {one["point"]: one["last_call"] for one in document["actions"]}
    assert found.pop("process_client_phone") == {
        **{"run_id": phone["id"], "at": phone["at"]},
        **{"outcome": "ok", "reason": None},
    }
    assert found.pop("need_registration") == {
        **{"run_id": need["id"], "at": need["at"]},
        **{"outcome": "fallback", "reason": "error"},
    }
    assert (set(found.values()), document["journal"]) == ({None}, None)
    assert {one["last_call"] for one in other["actions"]} == {None}


def test_status_goes_on_without_a_journal_that_can_be_read(recorded: Place) -> None:
    """
    A journal that is damaged is told in a line; all else is shown, and it is no fault of the bridge.
    """
    for path in (recorded.site / "var").glob("runs.sqlite*"):
        path.write_bytes(b"no database at all, " * 500)

    status = recorded.bridge("status")

    assert (status.code, status.err) == (0, "")
    said = [line for line in status.out.splitlines() if line.startswith("last call:")]
    assert [re.sub(r" \(.*?\)", "", line).partition(". ")[0] for line in said] == [
        f"last call: {recorded.site}/var/runs.sqlite: is no database"
    ]


# ---- compare ---------------------------------------------------------------------------------------------------


def test_compare_finds_an_action_and_a_hook_the_same(place: Place) -> None:
    """
    Before the bridge is there, and after: every sample of the point, through both.
    """
    place.write("actions/process_client_phone.php", OLD)
    count = len(samples.names(POINTS["process_client_phone"]))

    before = place.bridge("compare")
    place.bridge("install")
    after = place.bridge("compare", "process_client_phone", "--format", "json").json()

    assert (before.code, before.out, before.err) == (0, f"{count} of {count} the same\n", "")
    assert [one["is_same"] for one in after] == [True] * count
    assert after[0]["old"] == {"state": "success", "data": {"phone": "9001234567"}}


def test_compare_shows_where_they_differ(place: Place) -> None:
    """
    Differences by JSON Pointer, each once with the samples that have it; a point without a hook is named.
    """
    place.write("actions/process_client_phone.php", OLD.replace("-10", "-11"))
    place.write("actions/post_registration.php", "<?php return array('state' => 'success', 'data' => array('x' => 1));")

    ended = place.bridge("compare")

    assert ended.code == 1
    first, *rest = ended.out.splitlines()
    change = 'process_client_phone: /data/phone: "79001234567" → "9001234567"'
    assert re.fullmatch(rf"{change} \(incoming@conversation_requested and \d+ more\)", first)
    assert rest[0] == "no hook yet: post_registration"
    assert re.fullmatch(r"\d+ of \d+ the same", rest[1])


CALLING_HOOK = """\
def process_client_phone(request, http):
    http.get("https://crm.example.ru/x?n=1")
    return {"phone": request["phone"][-10:]}
"""


def test_compare_takes_requests_from_the_journal(recorded: Place) -> None:
    """
    The last N requests of each point that has an old action, as they were recorded: differences with the run's id, the
    points that nobody asked, the pseudonyms.
    """
    recorded.write("actions/process_client_phone.php", OLD.replace("-10", "-11"))
    recorded.write("actions/customize_entity.php", "<?php return array('state' => 'success', 'data' => array());")
    first, second, third = [run["id"] for run in runs(recorded) if run["point"] == "process_client_phone"]

    whole = recorded.bridge("compare", "--journal")
    last = recorded.bridge("compare", "process_client_phone", "--journal", "2", "--format", "json").json()

    assert whole.code == 1
    assert whole.err == "not in the journal: customize_entity\n"
    assert re.sub(r"(?<=900)\d{7}|\d{3}-\d\d-\d\d", "MASKED", whole.out).splitlines() == [
        f'process_client_phone: /data/phone: "0 MASKED" → " MASKED" ({first})',
        f'process_client_phone: /data/phone: "7900MASKED" → "900MASKED" ({third})',
        "numbers are the journal's pseudonyms: a list of known numbers finds none of them",
        "1 of 3 the same",
    ]
    assert "123-45-67" not in whole.out
    assert [(one["run_id"], one["sample"], one["phones"]) for one in last] == [
        (second, None, "masked"),
        (third, None, "masked"),
    ]
    assert [one["is_same"] for one in last] == [True, False]
    assert (last[0]["new"]["data"]["phone"], last[0]["would_call"]) == ("101", [])


def test_compare_from_the_journal_unwraps_and_tells_of_tools(place: Place) -> None:
    """
    A request that came under `params` is what is in it, numbers that the journal has plain are no pseudonyms, and what
    would have been called is told, since the hook got no answer.
    """
    place.write("site/hooks/process_client_phone.py", CALLING_HOOK)
    place.write("actions/process_client_phone.php", OLD)
    server = start(place.site, config='[site]\nrecord_phones = "plain"\nhttp_hosts = ["crm.example.ru"]\n')
    try:
        server.post("process_client_phone", {"params": {"phone": "+79001234567"}})
        server.wait(lambda: len(runs(place)) == 1, "the journal")
    finally:
        server.stop()

    ended = place.bridge("compare", "--journal", "5")

    run = runs(place)[0]["id"]
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"process_client_phone: would call http.get crm.example.ru ({run})",
        "1 of 1 the same",
    ]


def test_compare_from_the_journal_says_what_there_is(recorded: Place) -> None:
    """
    No request, no such site, no number: each is usage, in words.
    """
    recorded.write("actions/customize_entity.php", "<?php return array('state' => 'success', 'data' => array());")

    nobody = recorded.bridge("compare", "--journal")
    site = recorded.bridge("compare", "--journal", "--site", "acme")
    number = recorded.bridge("compare", "--journal", "customize_entity")

    assert (nobody.code, site.code, number.code) == (2, 2, 2)
    assert re.fullmatch(
        r"hookd: site default was not asked for customize_entity; the journal has 4, from \w{20} .*\n", nobody.err
    )
    assert site.err == "hookd: there is no site 'acme'. Sites: default\n"
    assert number.err.endswith("'customize_entity': a number from 1 to 10000 is expected; POINT goes before it\n")


def test_an_old_action_has_no_connections_and_no_time(place: Place) -> None:
    """
    An action that would act is stopped where it tries, one that never ends is ended, and one that returns nothing, dies
    or prints is told; the reason is in the words of PHP.
    """
    php = bridge_compare.find_php("php")
    said = {
        "exec": "<?php exec('touch marker'); return array('state' => 'success', 'data' => array());",
        "socket": "<?php $x = stream_socket_client('tcp://127.0.0.1:80'); return array('state' => 'success');",
        "nothing": "<?php $x = 1;",
        "leaves": "<?php exit(3);",
        "binary": '<?php return array("state" => "\\xff");',
        "wrong": "<?php\nreturn array(",
        "prints": "<?php echo 'debug'; return array('state' => 'success', 'data' => $params);",
    }

    found = {
        name: bridge_compare.run_action(php, place.write(f"{name}.php", text), {"phone": "5"})
        for name, text in said.items()
    }

    assert found.pop("prints") == Old({"state": "success", "data": {"phone": "5"}})
    hint = "There are no connections and no other processes here"
    assert "Call to undefined function exec()" in found["exec"].fault
    assert "Call to undefined function stream_socket_client()" in found["socket"].fault
    assert (found["exec"].fault.endswith(hint), found["socket"].fault.endswith(hint)) == (True, True)
    assert found["nothing"] == found["leaves"] == Old(fault="returned no array with state and data")
    assert found["binary"] == Old(fault="its reply cannot be written as JSON")
    assert "syntax error" in found["wrong"].fault or "Unclosed" in found["wrong"].fault
    assert not (place.directory / "marker").exists()
    forever = place.write("forever.php", "<?php while (true) {}")
    assert bridge_compare.run_action(php, forever, {}, limit_s=0.5) == Old(fault="was stopped after 0.5 s")


def test_an_old_action_gets_nothing_over_http(place: Place) -> None:
    """
    URLs are no files: an action that fetches one gets false, as it would from a server that is down.
    """
    text = "<?php return array('state' => 'success', 'data' => array('x' => @file_get_contents($params['url'])));"
    action = place.write("fetch.php", text)

    old = bridge_compare.run_action("php", action, {"url": "http://127.0.0.1:9/"})

    assert old == Old({"state": "success", "data": {"x": False}})


@pytest.mark.parametrize(
    ("point", "old", "new"),
    [
        ("process_final_params", {"DURATION": 5.0, "ADD_TO_CHAT": "1"}, {"DURATION": 5, "ADD_TO_CHAT": 1}),
        ("process_client_phone", {"phone": 89001234567}, {"phone": "89001234567"}),
        ("process_task_creation_params", {"fields": []}, {"fields": {}}),
        ("customize_activity", [], {}),
        ("customize_activity", None, {}),
        ("need_registration", {"result": 0}, {"result": False}),
        ("customize_autodistribution", {"name": "x" * 30, "number": 101}, {"name": "x" * 20, "number": "101"}),
    ],
)
def test_what_means_the_same_is_the_same(point: str, old: Json, new: Json) -> None:
    """
    Integers and whole floats, flags, numbers, PHP's empty arrays: both replies are made plain before they are compared.
    """
    replies = [{"state": "success", "data": data} for data in (old, new)]

    assert bridge_compare.compare(POINTS[point], Old(replies[0]), replies[1]) == []


def test_what_means_something_else_differs() -> None:
    """
    A user id is not a text, and state counts; at post_registration nothing but state does.
    """
    point, note = POINTS["process_final_params"], POINTS["post_registration"]
    success = {"state": "success", "data": {"USER_ID": 5}}

    by_type = bridge_compare.compare(point, Old({"state": "success", "data": {"USER_ID": "5"}}), success)
    by_state = bridge_compare.compare(point, Old({"state": "error", "data": {"USER_ID": 5}}), success)
    ignored = bridge_compare.compare(note, Old(success), {"state": "success"})

    assert [str(one) for one in by_type] == ['/data/USER_ID: expected "5", actual 5']
    assert [str(one) for one in by_state] == ['/state: expected "error", actual "success"']
    assert ignored == []


def test_compare_needs_a_php(place: Place) -> None:
    """
    Without php the command says how to get it, or how to name one.
    """
    place.write("actions/process_client_phone.php", OLD)

    ended = place.bridge("compare", "--php", "php-of-nobody")
    other = place.bridge("compare", "customize_entity")

    assert ended.err == (
        "hookd: php-of-nobody: is no php that runs; install it (apt-get install php-cli), or name one with --php\n"
    )
    assert other.err == (
        f"hookd: {place.actions}: there is no old action for customize_entity. Old actions: process_client_phone\n"
    )
    assert (ended.code, other.code) == (2, 2)


# ---- its page --------------------------------------------------------------------------------------------------


def test_the_page_has_every_command_and_option(place: Place) -> None:
    """
    docs/bridge.md names each option of each `hookd bridge` command, and the files that there are.
    """
    text = (ROOT / "docs" / "bridge.md").read_text("utf-8")

    for command in ("install", "status", "remove", "compare"):
        options = set(re.findall(r"--[a-z-]+", place.bridge(command, "--help").out)) - {"--help"}
        assert f"hookd bridge {command}" in text
        assert {option for option in options if not re.search(rf"{option}\b", text)} == set()
    assert [name for name in ("config.php", "installed.json", "old/") if name not in text] == []
