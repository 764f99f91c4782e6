"""
What tests share: a real hookd on a free port of the loopback, with the hooks that a test writes.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog

from tests.portal.server import Bitrix24
from tests.recordings import Box

START_S = 90.0  # three processes run tests at once, and the machine may be busy with more
ROOT = Path(__file__).parent.parent
# An ordinary user's id, not that of other processes that run tests: the kernel counts processes by user.
SOMEBODY = 40_000 + os.getpid() % 20_000


@dataclass
class Server:
    """
    A running hookd and the directory it serves.
    """

    directory: Path
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write(self, name: str, text: str, *, site: str = "") -> Path:
        """Write a file below the hooks directory, by way of a rename as editors do."""
        path = (self.directory / "sites" / site if site else self.directory) / "hooks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".saving")
        temporary.write_text(text)
        temporary.replace(path)
        return path

    def post(self, path: str, document: Any = None, **options: Any) -> requests.Response:
        options.setdefault("timeout", 30)
        if document is not None:
            options["data"] = json.dumps(document).encode()
        return self.session.post(f"{self.url}/{path}", **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(f"{self.url}/{path}", timeout=30, **options)

    def explain(self, point: str, document: Any, **options: Any) -> dict[str, Any]:
        """Return the whole run of *point* on *document*."""
        reply = self.post(f"{point}?explain=1", document, **options)
        assert reply.status_code == 200, reply.text
        run: dict[str, Any] = reply.json()
        return run

    def wait(self, is_so: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait until *is_so*, which the server's own files, polls or processes bring about."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"{what} did not come about within {seconds} s; log:\n{self.log()}"
            time.sleep(0.05)

    def ready(self, point: str, digest_of: str | None = None, *, site: str = "default") -> None:
        """Wait until every HTTP process has *point*'s hook as the file is now (or `digest_of` is broken)."""

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log lines about *event*."""
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def http(self) -> list[int]:
        """Return the process ids of the HTTP processes."""
        arbiters = [pid for pid in _direct(self.process.pid) if b"gunicorn" in command_of(pid)]
        return [pid for arbiter in arbiters for pid in _direct(arbiter)]

    def consumer(self) -> int | None:
        """Return the process id of the consumer, if there is one."""
        return next((pid for pid in _direct(self.process.pid) if b"hookd.consumer" in command_of(pid)), None)

    def descendants(self) -> list[int]:
        """Return the process ids of everything that descends from the server, itself first."""
        return [self.process.pid, *_children(self.process.pid)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.session.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def write_hooks(directory: Path, hooks: Mapping[str, str]) -> None:
    """Write the files of a hooks directory in *directory*: name → text."""
    for name, text in hooks.items():
        path = directory / "hooks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _children(pid: int) -> list[int]:
    direct = _direct(pid)
    return direct + [below for child in direct for below in _children(child)]


def _direct(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def command_of(pid: int) -> bytes:
    """Return the command line of *pid*, b"" where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def is_alive(pid: int) -> bool:
    """Whether *pid* is a process that runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    """Return the process id of *pid*'s parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# Below those that the kernel gives away by itself, and other ones for each of the processes that run tests.
_PORTS = itertools.cycle(range(10_000 + os.getpid() * 101 % 20_000, 32_000))


def free_port() -> int:
    """Return a port of the loopback that nobody else takes until a server does."""
    for port in _PORTS:
        with socket.socket() as opened, contextlib.suppress(OSError):
            opened.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def start(
    directory: Path,
    *,
    config: str = "",
    processes: int = 1,
    environment: dict[str, str] | None = None,
    command: Sequence[str] = (),
    status: int = 200,
) -> Server:
    """
    Start hookd on *directory*, whose hookd.toml is made from *config*, and wait until it is ready.

    Args:
        command: What to start instead of `hookd serve`.
        status: Of /readyz, once it is up.
    """
    port = free_port()
    head = f'bind = "127.0.0.1:{port}"\nprocesses = {processes}\nlog_format = "json"\n'
    (directory / "hookd.toml").write_text(head + config)
    (directory / "hooks").mkdir(exist_ok=True)
    log_path = directory / "log"
    command = command or [sys.executable, "-m", "hookd", "serve", "--config", str(directory / "hookd.toml")]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )
    server = Server(directory, port, process, log_path)
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(requests.ConnectionError):
            reply = server.get("readyz")
            if reply.status_code == status and "hookd is starting" not in reply.text:
                return server
        if process.poll() is not None or time.monotonic() > end:
            server.stop(signal.SIGKILL)
            raise AssertionError(f"hookd did not start:\n{server.log()}")
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def log_of_ones_own() -> Iterator[None]:
    """A command that a test runs in this process sends the log to that test's standard error, which is closed after."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def directory_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests start programs that import from here, whatever directory the test before them went to."""
    monkeypatch.chdir(ROOT)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """
    Start servers that a test configures itself; they are stopped at its end, and nothing may be left of them.
    """
    servers: list[Server] = []

    def serve_one(hooks: dict[str, str] | None = None, again: Server | None = None, **options: Any) -> Server:
        if again:  # the same directory, after a stop
            again.stop()
        directory = again.directory if again else tmp_path / f"server-{len(servers)}"
        for name, text in (hooks or {}).items():
            path = directory / name if name.startswith("sites/") else directory / "hooks" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        directory.mkdir(exist_ok=True)
        servers.append(start(directory, **options))
        return servers[-1]

    yield serve_one
    for server in servers:
        finish(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """
    One server for the tests of a module, which write the hooks they need.
    """
    started = start(tmp_path_factory.mktemp("server"))
    yield started
    finish(started)


@pytest.fixture(scope="module")
def bitrix24() -> Iterator[Bitrix24]:
    """A stub of Bitrix24, for the tests of a module."""
    with Bitrix24() as started:
        yield started


def finish(server: Server) -> None:
    pids = server.descendants()
    server.stop()
    end = time.monotonic() + 5
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    left = [pid for pid in pids if is_alive(pid)]
    shutil.rmtree(server.directory, ignore_errors=True)
    assert not left, f"processes {left} outlived the server"


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """
    Return what makes recordings: the bytes of so many seconds of a tone in the format that ffmpeg's *options* name.
    """
    directory = tmp_path_factory.mktemp("sounds")
    known: dict[tuple[Any, ...], bytes] = {}

    def make(*options: str, name: str = "a.wav", seconds: float = 2.0, channels: int = 1) -> bytes:
        key = (*options, name, seconds, channels)
        if key not in known:
            path = directory / name
            source = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}")
            command = ["ffmpeg", "-v", "error", *source, "-ac", str(channels), *options, "-y", str(path)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
            known[key] = path.read_bytes()
        return known[key]

    return make


@pytest.fixture
def wav(sounds: Callable[..., bytes]) -> bytes:
    """What Asterisk writes as .wav: 16 bits, 8 kHz, mono."""
    return sounds("-ar", "8000", "-c:a", "pcm_s16le")
