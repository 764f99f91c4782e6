"""
The processes of the peers: started on a free loopback port, each in a process group of its own, and stopped for sure.

A group of its own means that a Ctrl-C at the terminal reaches the benchmark alone, which then stops everybody in
order, and that what a server leaves behind is killed with its group.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import request

START_S = 30.0  # a cold start on a busy machine takes seconds
STOP_S = 10.0  # between SIGTERM to the server and SIGKILL to its group
POLL_S = 0.05
LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer lives: an empty folder, a free port of 127.0.0.1, and how many processes it may have."""

    folder: Path
    port: int
    processes: int


@dataclass(frozen=True, slots=True)
class Command:
    """
    One server process of a peer.

    Attributes:
        argv: Program and arguments.
        is_up: Whether it answers; polled after the start.
        variables: Added to an environment that is empty but for PATH, HOME and LANG.
    """

    argv: Sequence[str]
    is_up: Callable[[], bool]
    variables: Mapping[str, str] = field(default_factory=dict)


class PeerError(Exception):
    """A peer did not start or answers something else than the hook's reply."""


@contextlib.contextmanager
def running(commands: Sequence[Command], place: Place) -> Iterator[bytes]:
    """
    Start the commands one after the other and ask once; stop them in the opposite order, whatever happens in between.

    Yields:
        The body of the reply as this peer writes it; only the JSON is the same for all.

    Raises:
        PeerError: A command ended, or is not up after START_S (with the last lines of its log), or the reply is not
            the hook's.
    """
    with contextlib.ExitStack() as stack:
        for number, command in enumerate(commands, 1):
            log = place.folder / f"{number}.log"
            process = stack.enter_context(_process(command, place.folder, log))
            _wait(command, process, log)
        yield _checked_reply(place.port)


def accepts(address: str | tuple[str, int]) -> bool:
    """Return whether somebody listens on a unix socket's path or a host and port."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0


def answers(port: int, path: str) -> bool:
    """Return whether a GET of the path is answered with 200."""
    try:
        return request.ask(port, "GET", path)[0] == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def _process(command: Command, folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    # Settings of the caller's shell (GUNICORN_CMD_ARGS, WEB_CONCURRENCY, HOOKD_CONFIG) must not reach a peer.
    variables = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**variables, **command.variables},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        os.kill(process.pid, signal.SIGTERM)  # not terminate(): that reaps a process that has ended
        deadline = time.monotonic() + STOP_S
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    finally:
        # Before the leader is reaped: while it is a zombie the number of its group is nobody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait(command: Command, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not command.is_up():
        if _has_ended(process):
            raise PeerError(f"{command.argv[0]} ended at its start. {_tail(log)}")
        if time.monotonic() > deadline:
            raise PeerError(f"{command.argv[0]} is not up after {START_S:.0f} s. {_tail(log)}")
        time.sleep(POLL_S)


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
    return "Its last lines:\n" + "\n".join(f"    {line}" for line in lines) if lines else "It wrote nothing."


def _checked_reply(port: int) -> bytes:
    try:
        status, body = request.ask(port)
    except (OSError, http.client.HTTPException) as error:
        raise PeerError(f"no reply to the request: {error!r}") from error
    if status != http.HTTPStatus.OK or not request.is_reply(body):
        raise PeerError(f"answered {status} {body[:300]!r}; expected 200 {request.reply()}")
    return body
