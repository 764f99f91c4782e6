"""
Sites: a directory a customer, live, and nothing crosses from one to another.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import Server

PHONE = "process_client_phone"
REQUEST = {"phone": "1"}


def echo(answer: str) -> str:
    """A hook that always answers *answer*."""
    return f"def {PHONE}(request):\n    return {{'phone': '{answer}'}}\n"


A_TOKEN, A_OLD, B_TOKEN = "token-of-site-a-new", "token-of-site-a-old", "token-of-site-b-only"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def two(serve: Callable[..., Server]) -> Server:
    """A server with the sites a and b beside the default one, each with its own tokens and hook."""
    return serve(
        {
            f"{PHONE}.py": echo("default"),
            "sites/a/site.toml": f'tokens = ["{A_TOKEN}", "{A_OLD}"]\n',
            f"sites/a/hooks/{PHONE}.py": echo("a"),
            "sites/b/site.toml": f'tokens = ["{B_TOKEN}"]\ntime_zone = "Asia/Tokyo"\n',
            f"sites/b/hooks/{PHONE}.py": echo("b"),
        }
    )


def test_each_site_has_its_hooks_and_tokens(two: Server) -> None:
    """
    A site answers to any of its own tokens, with its own hooks; another site's token is 403, none is 401.
    """
    assert two.post(PHONE, REQUEST).json()["data"] == {"phone": "default"}
    for token in (A_TOKEN, A_OLD):
        assert two.post(f"sites/a/{PHONE}", REQUEST, headers=bearer(token)).json()["data"] == {"phone": "a"}
    path = f"sites/b/actions/{PHONE}.php"
    assert two.post(path, REQUEST, headers=bearer(B_TOKEN)).json()["data"] == {"phone": "b"}
    assert two.post(f"sites/b/{PHONE}", REQUEST, headers=bearer(A_TOKEN)).status_code == 403
    assert two.post(f"sites/b/{PHONE}", REQUEST).status_code == 401


def test_sites_come_and_go_without_a_restart(two: Server) -> None:
    """
    A new directory serves, one that is taken away does not, a changed token counts at once.
    """
    two.write(f"{PHONE}.py", echo("c"), site="c")
    two.wait(lambda: two.post(f"sites/c/{PHONE}", REQUEST).json().get("data") == {"phone": "c"}, "site c")

    (two.directory / "sites/b/site.toml").write_text('tokens = ["token-of-site-b-second"]\n')
    path = f"sites/b/{PHONE}"
    two.wait(lambda: two.post(path, REQUEST, headers=bearer("token-of-site-b-second")).ok, "the new token")
    assert two.post(path, REQUEST, headers=bearer(B_TOKEN)).status_code == 403

    (two.directory / "sites/c").rename(two.directory / "gone")
    two.wait(lambda: two.post(f"sites/c/{PHONE}", REQUEST).status_code == 404, "the end of site c")


def test_a_broken_site_file_changes_nothing(two: Server) -> None:
    """
    Settings that are wrong leave the last good ones in force, are told, and cost no other site anything.
    """
    (two.directory / "sites/b/site.toml").write_text('tokns = ["x"]\n')

    two.wait(lambda: two.get("readyz").json()["unusable_sites"], "the notice")

    assert "tokns: there is no such setting; did you mean tokens?" in two.get("readyz").json()["unusable_sites"]["b"]
    assert two.post(f"sites/b/{PHONE}", REQUEST, headers=bearer(B_TOKEN)).json()["data"] == {"phone": "b"}
    assert two.post(PHONE, REQUEST).json()["data"] == {"phone": "default"}
    assert len(two.lines("site_settings_broken")) == 1


def test_the_default_sites_settings_are_live_too(serve: Callable[..., Server]) -> None:
    """
    Tokens, zone and limits of the default site count as soon as its files are saved; so does a token file.
    """
    server = serve({f"{PHONE}.py": echo("x")})
    config = server.directory / "hookd.toml"
    (server.directory / "tokens").write_text("token-number-one-1\n")

    config.write_text(config.read_text() + '[site]\ntokens_file = "tokens"\n')

    server.wait(lambda: server.post(PHONE, REQUEST).status_code == 401, "the token")
    assert server.post(PHONE, REQUEST, headers=bearer("token-number-one-1")).ok
    (server.directory / "tokens").write_text("token-number-two-2\n")
    server.wait(lambda: server.post(PHONE, REQUEST, headers=bearer("token-number-two-2")).ok, "the new token")


def test_no_worker_serves_two_sites(serve: Callable[..., Server]) -> None:
    """
    Runs of many sites in turn never share a process: a worker that has served one site serves no other.
    """
    names = [f"s{number}" for number in range(6)]
    text = f"""
def {PHONE}(request, clock):
    return {{"phone": clock.now().tzname()}}
"""
    zones = ["Europe/Moscow", "Asia/Tokyo", "America/New_York", "UTC", "Asia/Yekaterinburg", "Europe/Berlin"]
    hooks = {f"sites/{name}/hooks/{PHONE}.py": text for name in names}
    settings = {f"sites/{name}/site.toml": f'time_zone = "{zone}"\n' for name, zone in zip(names, zones, strict=True)}
    server = serve(hooks | settings, config="workers_max = 4\n")

    def ask(name: str) -> tuple[str, str]:
        return name, server.post(f"sites/{name}/{PHONE}", REQUEST).json()["data"]["phone"]

    with ThreadPoolExecutor(8) as threads:
        seen = set(threads.map(ask, names * 40))

    assert len({name for name, _ in seen}) == len(seen) == 6
    assert dict(seen) | {"s4": "+05"} == {
        **dict(zip(names, ["MSK", "JST", "", "UTC", "+05", ""], strict=True)),
        "s2": dict(seen)["s2"],
        "s5": dict(seen)["s5"],
    }
    bound = [(line["worker"], line["site"]) for line in server.lines("worker_bound")]
    assert len(bound) >= 6
    assert len({worker for worker, _ in bound}) == len(bound)


def test_a_site_without_hooks_answers(serve: Callable[..., Server]) -> None:
    """
    An empty directory is a site whose calls go on unchanged.
    """
    server = serve()
    (server.directory / "sites/empty").mkdir(parents=True)

    server.wait(lambda: server.post(f"sites/empty/{PHONE}", REQUEST).ok, "the site")

    assert server.post(f"sites/empty/{PHONE}", REQUEST).json() == {"data": REQUEST, "state": "success"}


def test_settings_survive_a_restart_on_a_broken_edit(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    hookd that is started on a broken settings.toml runs hooks with the last settings that were good, and says so.
    """
    state = f'state = "{tmp_path / "state"}"\n'
    hook = f"def {PHONE}(request, settings):\n    return {{'phone': settings.get('who', 'nobody')}}\n"
    first = serve({f"{PHONE}.py": hook, "settings.toml": f'[{PHONE}]\nwho = "good"\n'}, config=state)
    assert first.post(PHONE, REQUEST).json()["data"] == {"phone": "good"}
    first.stop()

    second = serve({f"{PHONE}.py": hook, "settings.toml": f"[{PHONE}\n"}, config=state)

    assert second.post(PHONE, REQUEST).json()["data"] == {"phone": "good"}
    assert "The settings before this edit stay in force." in second.lines("hooks_problem")[0]["problem"]


def test_hooks_survive_a_restart_on_a_broken_edit(serve: Callable[..., Server], tmp_path: Path) -> None:
    """
    hookd that is started on a broken file runs the last version that was good, and says so.
    """
    state = tmp_path / "state"
    first = serve({f"{PHONE}.py": echo("good")}, config=f'state = "{state}"\n')
    assert first.post(PHONE, REQUEST).json()["data"] == {"phone": "good"}
    first.stop()

    second = serve({f"{PHONE}.py": "def nonsense(:\n"}, config=f'state = "{state}"\n')

    assert second.post(PHONE, REQUEST).json()["data"] == {"phone": "good"}
    assert PHONE in second.get("readyz").json()["sites"]["default"]["broken"]
    assert second.lines("hook_broken")[0]["keeps"].endswith("stays in force")
    assert [path.stat().st_mode & 0o077 for path in state.rglob("*.json")] == [0]
