"""
A disk that is really full: the state directory on a small file system of its own, filled to the last byte.

The file system is a tmpfs in a mount namespace that only the server is in, so that nothing else can fill it or free it.
The log lies on it as well.
"""

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from hookd.documents import Json
from hookd.jobs import DONE
from tests.conftest import ROOT, Server, finish, start
from tests.portal import payloads

SIZE_MB = 24
BEGUN_S = 1.5  # in which a job that is due is begun
FULL_S = 6.0  # the disk stays full: longer than the consumer's looks at what does not go as usual
PHONE, NEED, USER = "process_client_phone", "need_registration", "process_user_phone"
TOKEN = "w" * 32
HOOKS = {
    f"{PHONE}.py": f"""\
def {PHONE}(request, jobs):
    try:
        name = "slow" if request["phone"] == "slow" else "note"
        return {{"phone": jobs.enqueue(name, request["phone"])["id"]}}
    except Exception as error:
        print("told", error)
""",
    f"{USER}.py": f"def {USER}(request, jobs):\n    jobs.enqueue('note', request['phone'])\n",
    f"{NEED}.py": f"def {NEED}(request, store):\n    store.set('key', request['call_stage'])\n",
    "jobs/note.py": "def note(job):\n    print('did', job['payload'])\n",
    "jobs/slow.py": """\
import time


def slow(job):
    end = time.monotonic() + 5
    while time.monotonic() < end:
        pass
""",
    "events/other.py": "def other(event):\n    print('event', event['fields']['ID'])\n",
}
CONFIG = f'journal_mb = 8\n[site]\nbitrix_event_tokens = ["{TOKEN}"]\n[events.other]\nretry_first_s = 1\n'
# In the namespace: the file system is mounted, the command takes the place of the shell, and logs onto it.
_ENTERED = ("--mount", "--user")
PROGRAM = """\
mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" || exit 1
[ -z "$3" ] || head -c "$1" /dev/zero > "$2/filler" 2>/dev/null
shift_to="$2"; shift 3
exec "$@" > "$shift_to/log" 2>&1
"""


@functools.cache
def namespace() -> tuple[str, ...]:
    """Return the command that runs another one in a mount namespace of its own, where there may be one."""
    for command in (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount")):
        probe = [*command, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run(probe, capture_output=True, timeout=30, check=False).returncode == 0:
                return command
    return ()


pytestmark = pytest.mark.skipif(
    not namespace(), reason="no file system can be mounted here: neither root nor user namespaces"
)


@dataclass
class Disk:
    """
    The server's state directory on its own file system, as this process reaches it.
    """

    server: Server

    @property
    def state(self) -> Path:
        return Path(f"/proc/{self.server.process.pid}/root{self.server.directory / 'var'}")

    def fill(self) -> None:
        """Leave no byte, whatever is written meanwhile."""
        descriptor = os.open(self.state / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (65_536, 1, 1):  # once more: what was given back meanwhile
                with contextlib.suppress(OSError):
                    while True:
                        os.write(descriptor, bytes(size))
        finally:
            os.close(descriptor)
        usage = os.statvfs(self.state)
        assert usage.f_bfree == 0

    def free(self) -> None:
        (self.state / "filler").unlink()

    def hookd(self, *arguments: str) -> Any:
        """Return what a command finds where the disk is mounted; None where it finds nothing."""
        enter = [
            "nsenter",
            "--target",
            str(self.server.process.pid),
            *(flag for flag in namespace() if flag in _ENTERED),
        ]
        command = [sys.executable, "-m", "hookd", *arguments, "--format", "json"]
        config = ["--config", str(self.server.directory / "hookd.toml")]
        done = subprocess.run(
            [*enter, "--", *command, *config], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def jobs(self) -> dict[str, str]:
        """Return how each job stands, by id."""
        return {found["id"]: found["state"] for found in self.hookd("jobs", "list", "--limit", "1000")}

    def done(self, ids: set[str]) -> bool:
        """Whether these jobs are done."""
        found = self.jobs()
        return all(found[id_] == DONE for id_ in ids)

    def events(self) -> dict[int, str]:
        """Return how each event stands, by the number in it."""
        found = self.hookd("events", "list", "--limit", "1000")
        return {int(one["payload"]["event"]["fields"]["ID"]): one["state"] for one in found}

    def recorded(self) -> int:
        """Return how many runs the journal has."""
        return len(self.hookd("runs", "--limit", "100000") or ())


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Disk]]:
    """Start servers whose state lies on a small disk."""
    disks: list[Disk] = []

    def begin(*, is_full: bool = False) -> Disk:
        directory = tmp_path / "server"
        for name, text in HOOKS.items():
            path = directory / "hooks" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (directory / "var").mkdir()
        shell = ["sh", "-c", PROGRAM, "sh", f"{SIZE_MB}m", str(directory / "var"), "full" if is_full else ""]
        serve = [sys.executable, "-m", "hookd", "serve", "--config", str(directory / "hookd.toml")]
        server = start(directory, config=CONFIG, processes=2, command=[*namespace(), *shell, *serve])
        disks.append(Disk(server))
        server.log_path = disks[-1].state / "log"
        return disks[-1]

    yield begin
    for disk in disks:
        finish(disk.server)


def event(server: Server, number: int) -> requests.Response:
    """Post an event of an outgoing webhook."""
    auth = {"domain": payloads.DOMAIN, "member_id": payloads.MEMBER, "application_token": TOKEN}
    fields: dict[str, Json] = {
        **{"event": "ONCRMLEADADD", "event_handler_id": 71, "ts": 1_700_000_000},
        **{"data": {"FIELDS": {"ID": number}}, "auth": auth},
    }
    return server.session.post(
        f"{server.url}/bitrix24/event",
        data=payloads.form(fields),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=30,
    )


def test_a_disk_that_fills_up_costs_nothing_that_was_accepted(mounted: Callable[..., Disk]) -> None:
    """
    On a full disk every call is answered, jobs and events are refused in words, the hooks' store says no; with room
    again all goes on without a restart, and every job and event that was accepted is done.
    """
    disk = mounted()
    server = disk.server
    server.wait(lambda: server.get("readyz").json()["consumer"] == "running", "the consumer")
    jobs = {server.post(PHONE, {"phone": f"early-{number}"}).json()["data"]["phone"] for number in range(5)}
    events = {number for number in range(5) if event(server, number).status_code == 200}
    server.post(NEED, {"call_stage": "early"})
    server.wait(lambda: disk.done(jobs) and set(disk.events().values()) == {DONE}, "the first jobs and events")
    http, worker = server.http(), server.consumer()
    assert worker
    running = server.post(PHONE, {"phone": "slow"}).json()["data"]["phone"]
    time.sleep(BEGUN_S)

    disk.fill()
    calls, refused = fill_with_calls(disk, jobs)
    statuses = fill_with_events(server, events)
    told = server.explain(USER, {"phone": "late"})
    kept = server.explain(NEED, {"call_stage": "late"})
    health = server.get("healthz").status_code, server.get("readyz").status_code
    time.sleep(FULL_S)
    is_same = (server.http(), server.consumer()) == (http, worker)
    os.kill(worker, signal.SIGKILL)
    time.sleep(FULL_S)  # in which another one begins, and perhaps ends, without room to say so
    while_full = [server.post(PHONE, {"phone": "123"}).status_code for _ in range(20)]
    before = disk.recorded()
    disk.free()

    assert (calls, set(while_full), health) == ({200}, {200}, (200, 200))
    assert refused[0].startswith(
        f"told jobs.enqueue: nothing is promised: {server.directory}/var/inbox.sqlite: "
        "there is no room left on its disk (database or disk is full). Make room there, or set `state` to a directory"
    )
    assert statuses[-1] == (503, {"state": "error", "error": NOT_KEPT}, "storage", "60")
    assert (told["outcome"], told["reason"], told["reply"]["data"]) == ("fallback", "error", {"phone": "late"})
    assert "nothing is promised" in told["error"]["message"]
    assert (kept["outcome"], kept["reply"]["data"]) == ("fallback", {"result": True})
    assert "store.set: the store cannot be used now." in kept["error"]["message"]
    assert (is_same, server.http()) == (True, http)
    late = server.post(PHONE, {"phone": "later"}).json()["data"]["phone"]
    assert event(server, 999).status_code == 200
    everything = {*jobs, late, running}
    server.wait(lambda: disk.done(everything), "the end of all jobs", 90)
    server.wait(lambda: disk.events() == dict.fromkeys({*events, 999}, DONE), "the end of all events", 90)
    assert server.explain(NEED, {"call_stage": "again"})["outcome"] == "unchanged"
    server.wait(lambda: disk.recorded() > before, "the journal")
    whole, torn = logged(server)
    assert [line["outcome"] for line in whole if (line["event"], line.get("point")) == ("run", NEED)][-1] == "unchanged"
    assert torn <= len(http) + 2  # one of each process that wrote when the disk became full: hookd serve, the consumers
    assert server.http() == http


def logged(server: Server) -> tuple[list[dict[str, Any]], int]:
    """Return the lines of the log, and how many are no whole ones."""
    lines, torn = [], 0
    for line in filter(None, server.log().splitlines()[1:]):
        try:
            lines.append(json.loads(line))
        except ValueError:
            torn += 1
    return lines, torn


NOT_KEPT = {"code": "storage", "message": "the event could not be kept"}


def fill_with_calls(disk: Disk, jobs: set[str], most: int = 400) -> tuple[set[int], list[str]]:
    """Call until a job was refused in a row of calls; return the statuses, and what the hook printed then."""
    statuses, printed = set(), []
    for number in range(most):
        reply = disk.server.post(f"{PHONE}?explain=1", {"phone": f"full-{number}"})
        statuses.add(reply.status_code)
        run = reply.json()
        if run["print"]:
            printed.append(run["print"])
            if len(printed) == 5:
                return statuses, printed
        else:
            jobs.add(run["reply"]["data"]["phone"])
    raise AssertionError(f"the disk took {most} jobs although it was full")


def fill_with_events(server: Server, events: set[int], most: int = 400) -> list[tuple[Any, ...]]:
    """Post events until one is refused; return how they were answered."""
    answers: list[tuple[Any, ...]] = []
    for number in range(100, 100 + most):
        reply = event(server, number)
        headers = reply.headers.get("Hookd-Reason"), reply.headers.get("Retry-After")
        answers.append((reply.status_code, reply.json(), *headers))
        if reply.status_code != 200:
            return answers
        events.add(number)
    raise AssertionError(f"the disk took {most} events although it was full")


def test_a_server_starts_on_a_full_disk(mounted: Callable[..., Disk]) -> None:
    """
    With no room for a single file the hooks are loaded and calls are answered; with room all that needs it begins to
    work, and the last good version of a hook is kept then.
    """
    disk = mounted(is_full=True)
    server = disk.server

    told = server.explain(PHONE, {"phone": "123"})
    refused = event(server, 1)
    disk.free()

    assert (told["outcome"], told["reply"]["data"]) == ("unchanged", {"phone": "123"})
    assert "told jobs.enqueue: nothing is promised" in told["print"]
    assert (refused.status_code, refused.json()["error"]) == (503, NOT_KEPT)
    job = server.post(PHONE, {"phone": "later"}).json()["data"]["phone"]
    assert event(server, 2).status_code == 200
    server.wait(lambda: disk.done({job}), "the job", 60)
    server.wait(lambda: disk.events() == {2: DONE}, "the event", 60)
    accepted = disk.state / "sites" / "default" / "accepted.json"
    server.wait(lambda: accepted.exists() and PHONE in accepted.read_text(), "the last good versions", 45)
    server.wait(lambda: disk.recorded() > 0, "the journal", 90)
