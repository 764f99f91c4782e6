"""
The tool `store`: values by key, for each site its own, whoever changes them at the same time.
"""

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookd.errors import ToolFailedError
from hookd.sandbox import signatures
from hookd.settings import SiteSettings
from hookd.tools import Call, Ground
from hookd.tools.store import Store
from tests.test_tools import POINT, hook
from tests.test_worker import Loop

SECONDS = 20.0


class Client:
    """The tool, as the broker uses it, for the sites of one installation."""

    def __init__(self, state: Path) -> None:
        self.store = Store(state)

    def __call__(self, method: str, *values: Any, site: str = "a", keys: int = 100, mb: int = 1, **named: Any) -> Any:
        settings = SiteSettings(
            "UTC", "RU", "", {}, (), (), "off", "masked", store_keys_max=keys, store_mb_max=mb
        )  # fmt: skip
        arguments = signatures.bind("store", method, values, named)
        ground = Ground(site, Path("/nonexistent"), Path("/nonexistent/hooks"), settings)
        return self.store.methods()[method].do(Call(ground, "store", method, arguments, time.monotonic() + SECONDS))

    def error(self, method: str, *values: Any, **named: Any) -> str:
        with pytest.raises(ToolFailedError) as caught:
            self(method, *values, **named)
        return str(caught.value)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A store in an empty state directory."""
    found = Client(tmp_path)
    yield found
    found.store.close()


@pytest.mark.parametrize("value", [None, True, 0, -1.5, 2**62, "", "я\x00", [], [1, [2]], {"a": {"b": None}}])
def test_what_is_set_is_got(client: Client, value: Any) -> None:
    """
    Plain values come back as they are, and as what they are.
    """
    before = client("get", "key", "nothing")
    client("set", "key", value)
    found = client("get", "key", "nothing")
    client("set", "key", "other")
    client("delete", "key")
    client("delete", "key")

    assert (before, found, type(found)) == ("nothing", value, type(value))
    assert client("get", "key") is None


def test_sites_see_their_own(client: Client) -> None:
    """
    The same key of two sites is two keys.
    """
    client("set", "key", 1, site="a")
    client("incr", "key", 5, site="b")

    assert (client("get", "key", site="a"), client("get", "key", site="b"), client("get", "key", site="c")) == (
        1,
        5,
        None,
    )


def test_counting(client: Client) -> None:
    """
    incr makes a key that is not there, and tells what it is now.
    """
    assert [client("incr", "key"), client("incr", "key", by=10), client("incr", "key", -3)] == [1, 11, 8]
    assert client("get", "key") == 8


def test_only_the_first_adds(client: Client) -> None:
    """
    add_if_absent says whether it was the first, and leaves what is there.
    """
    assert [client("add_if_absent", "key", value) for value in (1, 2)] == [True, False]
    assert client("get", "key") == 1


def test_time_to_live(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What has expired is not there; a counter ends when it was said at its first time; set without ttl_s stays.
    """
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    client("set", "set", 1, ttl_s=10)
    client("set", "kept", 1, ttl_s=10)
    client("set", "kept", 2)
    client("add_if_absent", "added", 1, ttl_s=10)
    client("incr", "counted", ttl_s=10)

    now += 9
    assert client("incr", "counted", ttl_s=10) == 2
    now += 2

    assert [client("get", key) for key in ("set", "kept", "added", "counted")] == [None, 2, None, None]
    assert client("add_if_absent", "added", 3) is True
    assert client("incr", "counted") == 1


def test_quotas_count_what_is_there(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond the site's keys or bytes nothing is added; what is deleted or expired makes room, other sites have theirs.
    """
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    for number in range(3):
        client("set", str(number), number, ttl_s=10 if number == 2 else None, keys=3)

    full = client.error("incr", "more", keys=3)
    client("set", "0", "another", keys=3)
    client("set", "more", 1, keys=3, site="b")
    client("delete", "1", keys=3)
    client("set", "more", 1, keys=3)
    full_again = client.error("set", "still", 1, keys=3)
    now += 11
    client("set", "still", 1, keys=3)

    remedy = "Give keys a ttl_s, delete what is not needed, or ask the operator for more: store_keys_max."
    assert full == f"store.incr: the store of this site is full: it has 3 keys; 3 at most. {remedy}"
    assert full_again == f"store.set: the store of this site is full: it has 3 keys; 3 at most. {remedy}"


def test_bytes_have_a_quota(client: Client) -> None:
    """
    Keys and values count as they are written; less is always allowed.
    """
    for number in range(16):
        client("set", f"{number:02}", "x" * 65_000)

    full = client.error("set", "more", "x" * 65_000)
    client("set", "00", "x" * 64_000, mb=0)
    large = client.error("set", "large", "я" * 40_000)

    assert full == (
        "store.set: the store of this site is full: it has 1040064 bytes; 1 MB at most. "
        "Give keys a ttl_s, delete what is not needed, or ask the operator for more: store_mb_max."
    )
    assert large == (
        "store.set: the value of 'large' has 80002 bytes as JSON; 65536 at most. "
        "Keep only what a later run needs, or split it over several keys."
    )


def test_what_cannot_be_counted(client: Client) -> None:
    """
    Texts are not counted, and numbers end where JSON's readers differ.
    """
    client("set", "text", "1")
    client("set", "flag", True)
    client("set", "large", 2**53)

    counted = "holds no whole number. Count under a key of its own, or store.set it."
    assert client.error("incr", "text") == f"store.incr: 'text' {counted}"
    assert client.error("incr", "flag") == f"store.incr: 'flag' {counted}"
    assert client.error("incr", "large") == "store.incr: 'large' would be beyond 53 bits. store.set begins anew."


def _count(state: Path, times: int, firsts: "multiprocessing.Queue[int]") -> None:
    client = Client(state)
    for number in range(times):
        client("incr", "count", keys=1000)
        if client("add_if_absent", f"first-{number}", 1, keys=1000):
            firsts.put(number)
    client.store.close()


def test_processes_count_together(tmp_path: Path) -> None:
    """
    Several processes that begin with an empty directory lose no step, and each key has one first.
    """
    context = multiprocessing.get_context("spawn")
    firsts: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_count, args=(tmp_path, 40, firsts)) for _ in range(4)]
    for process in processes:
        process.start()
    found = sorted(firsts.get(timeout=60) for _ in range(40))
    for process in processes:
        process.join(60)
    client = Client(tmp_path)
    total = client("get", "count")
    client.store.close()

    assert [process.exitcode for process in processes] == [0] * 4
    assert found == list(range(40))
    assert total == 160
    assert firsts.empty()


def test_threads_count_together(client: Client) -> None:
    """
    The calls of one process are no less atomic.
    """
    threads = [threading.Thread(target=lambda: [client("incr", "count") for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert client("get", "count") == 100


def test_a_call_that_was_given_up_changes_nothing(client: Client) -> None:
    """
    Who waited for the lock until the run was over leaves the store as it is.
    """
    arguments = signatures.bind("store", "set", ("key", 1), {})
    settings = SiteSettings("UTC", "RU", "", {}, (), (), "off", "masked")
    call = Call(Ground("a", Path("/x"), Path("/x"), settings), "store", "set", arguments, 0.0)
    call.abort()

    with pytest.raises(ToolFailedError, match="the run is over"):
        client.store.methods()["set"].do(call)

    assert client("get", "key") is None


def test_a_store_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """
    A damaged file costs the call of the tool; what is wrong with it is the operator's to read.
    """
    (tmp_path / "hookd.sqlite").write_bytes(b"no database" * 1000)
    client = Client(tmp_path)

    error = client.error("set", "key", 1)

    assert error == "store.set: the store cannot be used now. The operator finds the reason in the log."


def test_looking_makes_no_file(tmp_path: Path) -> None:
    """
    A command that only looks leaves no state behind.
    """
    assert Client(tmp_path)("get", "key", 5) == 5
    assert list(tmp_path.iterdir()) == []


def test_quota_columns_agree_with_the_rows(client: Client, tmp_path: Path) -> None:
    """
    What a site is said to use is what is there, after whatever happened.
    """
    for number in range(20):
        client("set", f"key-{number % 7}", "x" * number)
        client("incr", f"count-{number % 3}", 10**number % 1000)
        client("delete", f"key-{number % 5}")
    with sqlite3.connect(tmp_path / "hookd.sqlite") as database:
        said = database.execute("SELECT key_count, byte_count FROM store_use").fetchall()
        there = database.execute("SELECT key, value FROM store").fetchall()
    database.close()

    assert said == [(len(there), sum(len(key) + len(value) for key, value in there))]


def test_a_hook_remembers(tmp_path: Path) -> None:
    """
    What one run keeps another one finds; the module's own variables do not.
    """
    loop = Loop(tmp_path)
    try:
        body = "seen = store.incr(f'seen {request[\"phone\"]}', ttl_s=3600)\nreturn {'phone': str(seen)}"
        runs = [loop.run(hook(body, "store")) for _ in range(3)]
        wrong = loop.run(hook("store.set('key', {1: 2})", "store"))
    finally:
        loop.close()

    assert [run.reply["data"]["phone"] for run in runs] == ["1", "2", "3"], runs[0].error
    assert [call.name for call in runs[0].calls] == ["store.incr seen 1"]
    assert str(wrong.error) == (
        f"{POINT.name}.py:2: store.set: value: a key of type int: keys are text. Write str(key), or "
        f"{{str(key): value for key, value in values.items()}}. {POINT.kept} [error]"
    )
