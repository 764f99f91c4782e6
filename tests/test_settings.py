"""
Settings are read once, strictly; whatever is wrong stops the start, all of it at once.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from hookd import settings
from hookd.errors import SettingsError


def write(directory: Path, text: str, name: str = "hookd.toml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults_around_a_directory_with_hooks(tmp_path: Path) -> None:
    """
    Without a settings file, a directory with hooks/ is served on the loopback.
    """
    (tmp_path / "hooks").mkdir()

    found = settings.load(None, tmp_path)

    assert (found.bind, found.state, found.hooks) == ("127.0.0.1:8080", tmp_path / "var", tmp_path / "hooks")
    assert (found.workers_max, found.spares, found.log_format) == (8, 1, "auto")
    assert (found.journal_days, found.journal_mb) == (14, 256)
    assert found.site == settings.SiteSettings("UTC", "RU", "", {}, (), (), "on", "masked")
    assert found.is_loopback


def test_no_settings_and_no_hooks_is_an_error(tmp_path: Path) -> None:
    """
    A directory with neither is no installation, and the message says how to make one.
    """
    with pytest.raises(SettingsError) as caught:
        settings.load(None, tmp_path)

    assert str(caught.value) == (
        f"no hookd.toml in {tmp_path} or /etc/hookd, and no hooks/ here: "
        "name one with --config or HOOKD_CONFIG, or make one with `hookd init DIR`"
    )


def test_reads_every_setting(tmp_path: Path) -> None:
    """
    Every documented setting has its effect, relative paths start at the file, token files are read.
    """
    write(tmp_path, "operator-token-0001\n\noperator-token-0002\n", "secrets/operators")
    config = write(
        tmp_path,
        """
        bind = "unix:/run/hookd.sock"
        state = "/var/lib/hookd"
        hooks = "my-hooks"
        sites = "customers"
        processes = 3
        workers_max = 12
        journal_days = 30
        journal_mb = 64
        spares = 2
        operator_tokens_file = "secrets/operators"
        log_format = "json"
        [site]
        time_zone = "Europe/Moscow"
        region = "KZ"
        area_code = "343"
        hours = { mon-fri = "09:00-13:00, 14:00-18:00", sat = "22:00-06:00" }
        holidays = ["2026-01-01", 2026-05-09]
        tokens = ["site-token-00001"]
        record = "raw"
        record_phones = "plain"
        [points.need_registration]
        timeout_s = 0.5
        on_error = { result = false }
        record = "off"
        """,
    )

    found = settings.load(config, tmp_path)

    assert found == settings.Settings(
        base=tmp_path,
        source=config,
        bind="unix:/run/hookd.sock",
        state=Path("/var/lib/hookd"),
        hooks=tmp_path / "my-hooks",
        sites=tmp_path / "customers",
        processes=3,
        workers_max=12,
        spares=2,
        fresh_spares=2,
        min_isolation="L2",
        allow_weak_isolation=False,
        operator_tokens=("operator-token-0001", "operator-token-0002"),
        log_format="json",
        journal_days=30,
        journal_mb=64,
        public_url="",
        site=settings.SiteSettings(
            time_zone="Europe/Moscow",
            region="KZ",
            area_code="343",
            hours={"mon-fri": "09:00-13:00, 14:00-18:00", "sat": "22:00-06:00"},
            holidays=("2026-01-01", "2026-05-09"),
            tokens=("site-token-00001",),
            record="raw",
            record_phones="plain",
            files=(config,),
            points={"need_registration": settings.PointSettings(0.5, {"result": False}, record="off")},
        ),
    )


BAD = [
    ('bin = "127.0.0.1:80"', "bin: there is no such setting; did you mean bind? Settings: bind, state, "),
    ('bind = "localhost"', 'bind = \'localhost\': "host:port" (port 1 to 65535) or "unix:/path" is expected'),
    ("bind = 8080", "bind = 8080: a string is expected"),
    ("processes = 0", "processes = 0: an integer from 1 to 256 is expected"),
    ("workers_max = true", "workers_max = True: an integer from 2 to 512 is expected"),
    ('log_format = "xml"', 'log_format = \'xml\': one of "auto", "json", "text" is expected'),
    ('operator_tokens = ["short"]', "operator_tokens: a token has at least 16 printable ASCII characters"),
    ('[site]\ntime_zone = "Moscow"', "[site]: time_zone = 'Moscow': a zone of the tz database is expected, such as"),
    ('[site]\nregion = "ru"', "[site]: region = 'ru': a country in two capital letters is expected, such as \"RU\""),
    ("[site]\narea_code = 343", "[site]: area_code = 343: a string is expected"),
    (
        '[site]\nhours = { monday = "9-18" }',
        "hours: 'monday' is no day. Write one of mon, tue, wed, thu, fri, sat, sun, or",
    ),
    ('[site]\nhours = { mon = "9-18" }', "hours: mon: '9-18' is no range of hours. Write \"09:00-18:00\"."),
    ('[site]\nholidays = ["1 May"]', "holidays: '1 May' is no date. Write it as \"2025-01-01\"."),
    ('[site]\ntokens_file = "nowhere"', "nowhere: tokens_file: No such file or directory"),
    ("[points.x]\ntimeout_s = 99", "[points.x]: timeout_s = 99: seconds from 0.05 to 30 are expected"),
    ("[points.x]\non_error = 5", "[points.x]: on_error = 5: a table with the reply's data is expected, such as"),
    (
        "[points.x]\ntime = 1",
        "[points.x]: time: there is no such setting; did you mean timeout_s? Settings: timeout_s, ",
    ),
    ("points = 5", "points: tables are expected, such as [points.process_client_phone]"),
    ("site = 5", "[site]: a table is expected"),
    ("bind = ", "is no TOML: "),
    ('bind = "0.0.0.0:8080"', "bind = '0.0.0.0:8080' can be reached from other machines, and no token protects"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[text for text, _ in BAD])
def test_bad_settings_stop_the_start(tmp_path: Path, text: str, message: str) -> None:
    """
    A bad setting is named with its file, its value and what is allowed.
    """
    config = write(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        settings.load(config, tmp_path)

    assert str(tmp_path) in str(caught.value)
    assert message in str(caught.value)


def test_all_bad_settings_are_named_at_once(tmp_path: Path) -> None:
    """
    One look at the message is enough to mend the whole file; no token is ever shown.
    """
    config = write(tmp_path, 'bind = 1\nprocesses = 0\nspares = -1\n[site]\ntokens = ["my-secret"]\nregion = 7')

    with pytest.raises(SettingsError) as caught:
        settings.load(config, tmp_path)

    keys = [line.split(": ")[-2].split(" = ")[0] for line in str(caught.value).splitlines() if "token" not in line]
    assert keys == ["bind", "processes", "spares", "region"]
    assert "my-secret" not in str(caught.value)


def test_finds_the_file_in_the_documented_order(tmp_path: Path) -> None:
    """
    The named file, then HOOKD_CONFIG, then the working directory's; a named one that is missing is an error.
    """
    here, other = write(tmp_path, ""), write(tmp_path, "", "other/hookd.toml")

    assert settings.find_config(other, {"HOOKD_CONFIG": str(here)}, tmp_path) == other
    assert settings.find_config(None, {"HOOKD_CONFIG": str(other)}, tmp_path) == other
    assert settings.find_config(None, {}, tmp_path) == here
    assert settings.find_config(None, {}, tmp_path / "other") == other
    with pytest.raises(SettingsError, match="there is no such settings file; `hookd init DIR` makes one"):
        settings.find_config(tmp_path / "nowhere.toml", {}, tmp_path)


@pytest.mark.parametrize(
    ("bind", "is_loopback"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("unix:/x", True),
        ("0.0.0.0:1", False),
        ("a.b:1", False),
    ],
)
def test_knows_what_only_this_machine_reaches(tmp_path: Path, bind: str, is_loopback: bool) -> None:
    """
    Loopback addresses and unix sockets need no token.
    """
    config = write(tmp_path, f'bind = "{bind}"\n[site]\ntokens = ["site-token-00001"]')

    assert settings.load(config, tmp_path).is_loopback is is_loopback


def test_sites_are_directories_with_plain_names(tmp_path: Path) -> None:
    """
    Only directories whose names fit into a URL are sites; files, dot directories and the default's name are not.
    """
    for name in ("acme", "b-2", ".git", "Acme", "default", "x_y"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")

    assert settings.site_directories(tmp_path) == {"acme": tmp_path / "acme", "b-2": tmp_path / "b-2"}
    assert settings.site_directories(tmp_path / "nowhere") == {}


def test_a_site_has_its_own_settings_over_the_common_points(tmp_path: Path) -> None:
    """
    site.toml may be missing; its [points] tables go over those of hookd.toml.
    """
    common = {"need_registration": settings.PointSettings(0.5), "process_user_phone": settings.PointSettings(0.7)}
    above = replace(settings.load_site(tmp_path), points=common)
    site_file = write(tmp_path, 'region = "BY"\n[points.need_registration]\ntimeout_s = 2', "a/site.toml")

    found = settings.load_site(tmp_path / "a", above)

    assert found.region == "BY"
    assert found.files == (site_file,)
    assert found.points == {
        "need_registration": settings.PointSettings(2.0),
        "process_user_phone": settings.PointSettings(0.7),
    }
    (tmp_path / "b").mkdir()
    assert settings.load_site(tmp_path / "b", above).points == common


def test_secrets_of_bitrix24_come_from_files(tmp_path: Path) -> None:
    """
    What a site's portals are reached with stands in files of their own; a change of one counts like the settings'.
    """
    write(tmp_path, "app-secret-0123456789\n", "secrets/app")
    write(tmp_path, "https://acme.bitrix24.com/rest/1/abcdefgh12345678\n", "secrets/webhook")
    write(tmp_path, "event-token-000000001\nevent-token-000000002\n", "secrets/events")
    config = write(
        tmp_path,
        """
        [site]
        bitrix_app_id = "local.65f0a1b2c3d4e5.12345678"
        bitrix_app_secret_file = "secrets/app"
        bitrix_webhook_file = "secrets/webhook"
        bitrix_event_tokens_file = "secrets/events"
        bitrix_methods = ["crm.*", "user.get"]
        """,
    )

    site = settings.load(config, tmp_path).site

    assert (site.bitrix_app_id, site.bitrix_methods) == ("local.65f0a1b2c3d4e5.12345678", ("crm.*", "user.get"))
    assert site.bitrix_app_secret == "app-secret-0123456789"
    assert site.bitrix_webhook == "https://acme.bitrix24.com/rest/1/abcdefgh12345678/"
    assert site.bitrix_event_tokens == ("event-token-000000001", "event-token-000000002")
    assert {*site.files} == {config, *(tmp_path / "secrets").iterdir()}
    assert not [secret for secret in ("app-secret", "abcdefgh", "event-token") if secret in repr(site)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('bitrix_app_id = "x"', "bitrix_app_id = 'x': the client_id of an app is expected"),
        ('bitrix_app_secret = "canary"', "bitrix_app_secret: the client_secret of an app is expected: 16 to 200"),
        ('bitrix_webhook = "http://acme.bitrix24.com/rest/1/canary/"', "bitrix_webhook: an address such as"),
        ('bitrix_webhook = "https://acme.bitrix24.com/canary/"', "bitrix_webhook: an address such as"),
        ('bitrix_webhook = "https://u:canary@/rest/1/x/"', "bitrix_webhook: an address such as"),
        ('bitrix_event_tokens = ["canary"]', "bitrix_event_tokens: a token has at least 16"),
        ('bitrix_webhook_file = "nowhere"', "nowhere: bitrix_webhook_file: No such file or directory"),
        ('bitrix_methods = ["crm.*.get"]', "bitrix_methods = ['crm.*.get']: a list of methods is expected"),
        ('bitrix_methods = "crm.*"', "bitrix_methods = 'crm.*': a list of methods is expected"),
    ],
)
def test_bad_settings_of_bitrix24_are_told_without_secrets(tmp_path: Path, text: str, message: str) -> None:
    """
    The message names the setting and what is allowed, and shows no secret.
    """
    config = write(tmp_path, f"[site]\n{text}")

    with pytest.raises(SettingsError) as caught:
        settings.load(config, tmp_path)

    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_webhook_of_this_machine_needs_no_https(tmp_path: Path) -> None:
    """
    A tunnel to a portal, or a stand-in for one, may be asked in the clear.
    """
    config = write(tmp_path, '[site]\nbitrix_webhook = "http://127.0.0.1:9/portal/rest/1/abc"')

    assert settings.load(config, tmp_path).site.bitrix_webhook == "http://127.0.0.1:9/portal/rest/1/abc/"
