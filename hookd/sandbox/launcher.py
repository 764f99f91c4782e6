"""
The broker's hold on the zygote: start it, order forks and kills, hear of ends, and start another one when it dies.

The zygote's death is the death of its workers (parent-death signal). One that keeps dying is started ever more slowly.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from hookd.errors import SandboxError
from hookd.sandbox.isolation import UNKNOWN, Isolation, read_report

START_S = 20.0
LAST_WORDS_S = 0.25  # for a dying zygote's message on standard error
RESTART_DELAYS_S = (0.0, 0.1, 0.5, 1.0, 5.0)  # between two starts of a zygote that keeps dying
FORGIVEN_S = 60.0  # a zygote that lived this long starts with a clean slate
PACKET_BYTES = 32_768  # the isolation report is one packet
NONSENSE_BYTES = 100  # that are shown of a packet that nobody understands
CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid
ANCILLARY_BYTES = socket.CMSG_SPACE(CREDENTIALS.size)
ZYGOTE = (sys.executable, "-I", "-m", "hookd.sandbox.zygote")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC0"}  # nothing of ours: a worker may come to read it

log = structlog.get_logger("hookd.sandbox")


class Launcher:
    """
    One zygote at a time.

    Args:
        on_exited: Called with number and wait status of each worker that has ended, and the system call that it was
            killed for ("" where none was, or none is known).
        on_death: Called when the zygote dies, and with it every worker.
        on_up: Called when another one has taken its place.
        zygote: The command that is its process; a descriptor and a process id follow as arguments.
    """

    def __init__(
        self,
        *,
        on_exited: Callable[[int, int, str], None],
        on_death: Callable[[], None],
        on_up: Callable[[], None],
        zygote: Sequence[str] = ZYGOTE,
    ) -> None:
        self._on_exited = on_exited
        self._on_death = on_death
        self._on_up = on_up
        self._command = tuple(zygote)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._up: asyncio.Future[None] | None = None
        self._restart: asyncio.Task[None] | None = None
        self._deaths = 0
        self._is_closing = False
        self._zygote_pid = 0
        self.isolation = UNKNOWN

    @property
    def is_up(self) -> bool:
        """Whether the zygote is there and can fork."""
        return self._control is not None and self._has_come_up()

    def pids(self) -> list[int]:
        """Return the process ids of what was started, and of the zygote, which may be a child of that."""
        found = dict.fromkeys((self._process.pid if self._process else 0, self._zygote_pid))
        return [pid for pid in found if pid]

    async def start(self) -> None:
        """
        Start the zygote and wait until it can fork.

        Raises:
            SandboxError: It did not come up.
        """
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs:
            self._process = subprocess.Popen(
                [*self._command, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=(theirs.fileno(),),
            )
        self._control = ours
        self._up = self._loop.create_future()
        self._loop.add_reader(ours.fileno(), self._on_readable)
        try:
            await asyncio.wait_for(asyncio.shield(self._up), START_S)
        except TimeoutError as error:
            self._up.cancel()
            raise SandboxError(f"the sandbox did not start within {START_S:g} s") from error
        except SandboxError:
            await self._bury()  # its last words come before ours
            raise

    async def close(self) -> None:
        """
        End the zygote, and with it every worker that is left.
        """
        self._is_closing = True
        if self._restart:
            self._restart.cancel()
        self._drop_control()
        if self._process:
            # The end of its control socket ends it; one that does not obey is killed, and its workers with it.
            await asyncio.to_thread(_end, self._process)

    def fork(self, number: int, channel: socket.socket) -> bool:
        """
        Order a worker *number* with *channel* as its end; return whether the order went out.
        """
        if not self.is_up or self._is_closing or self._control is None:
            return False
        try:
            socket.send_fds(self._control, [_order("spawn", number)], [channel.fileno()])
        except OSError as error:
            log.error("worker_not_forked", error=str(error))
            return False
        return True

    def kill(self, number: int) -> bool:
        """
        Order the end of the worker *number*; return whether the order went out.
        """
        try:
            return self._control is not None and bool(self._control.send(_order("kill", number)))
        except OSError:
            return False  # gone, or stuck with a full socket

    def kill_zygote(self) -> None:
        """
        End a zygote that does not obey, and all its workers; another one is started.
        """
        if self._process and not self._is_closing:
            log.error("zygote_unresponsive", pid=self._process.pid)
            self._process.kill()

    def _has_come_up(self) -> bool:
        up = self._up
        return up is not None and up.done() and not up.cancelled() and up.exception() is None

    def _drop_control(self) -> None:
        if self._control:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None

    def _on_readable(self) -> None:
        control = self._control
        while control and control is self._control:
            try:
                packet, ancillary, _, _ = control.recvmsg(PACKET_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._on_end()
                return
            self._zygote_pid = sender(ancillary) or self._zygote_pid
            try:
                news = _read(packet)
            except (ValueError, TypeError, LookupError, AttributeError):
                self._on_nonsense(packet)
                return
            if isinstance(news, Exited):
                self._on_exited(*news)
            elif self._up and not self._up.done():
                self._on_report(news)

    def _on_nonsense(self, packet: bytes) -> None:
        """A zygote that says what is not of the protocol, or more than a packet takes, is not to be trusted."""
        said = repr(packet[:NONSENSE_BYTES])
        if self._up and not self._up.done():
            self._up.set_exception(SandboxError(f"the sandbox's zygote said what hookd does not understand: {said}"))
        else:
            log.error("zygote_talks_nonsense", said=said)
        if self._process:
            self._process.kill()
        self._on_end()

    def _on_report(self, isolation: Isolation) -> None:
        assert self._up is not None
        if isolation.differences:
            what = "; ".join(isolation.differences)
            self._up.set_exception(SandboxError(f"in a locked worker Python behaves otherwise than before: {what}"))
            return
        if isolation.level < self.isolation.level:
            log.error("isolation_is_lower", level=isolation.name, before=self.isolation.name)
        self.isolation = isolation
        self._up.set_result(None)

    def _on_end(self) -> None:
        self._drop_control()
        has_come_up = self._has_come_up()
        if self._up and not self._up.done():
            self._up.set_exception(SandboxError("the sandbox's zygote ended while it started; see its message above"))
        self._on_death()
        # One that never came up is the affair of who started it.
        if has_come_up and not self._is_closing and (self._restart is None or self._restart.done()):
            self._restart = self._loop.create_task(self._start_again())

    async def _bury(self) -> None:
        """
        Wait until the zygote is gone. Not in the event loop: the memory of its workers goes first, which takes 0.1 s.
        """
        self._drop_control()
        process = self._process
        if process:
            status = await asyncio.to_thread(_end, process, LAST_WORDS_S)
            self._process = None
            if not self._is_closing:
                log.error("zygote_died", status=status)

    async def _start_again(self) -> None:
        while not self._is_closing:
            await self._bury()
            await asyncio.sleep(RESTART_DELAYS_S[min(self._deaths, len(RESTART_DELAYS_S) - 1)])
            self._deaths += 1
            started = time.monotonic()
            try:
                await self.start()
            except (SandboxError, OSError) as error:
                log.error("zygote_start_failed", error=str(error))
                continue
            # It may have died again, before this task came to know that it was up: then the loop goes on.
            if self.is_up:
                log.info("zygote_restarted", seconds=round(time.monotonic() - started, 3))
                self._loop.call_later(FORGIVEN_S, self._forgive)
                self._on_up()
                return

    def _forgive(self) -> None:
        self._deaths = 0


class Exited(NamedTuple):
    """The end of a worker: its number, its wait status, and the call that it was killed for, or ""."""

    number: int
    status: int
    call: str


def _read(packet: bytes) -> Exited | Isolation:
    """
    Return what the zygote says in *packet*.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: It is not of the protocol.
    """
    news = json.loads(packet)
    if news["op"] == "exited":
        return Exited(int(news["id"]), int(news["status"]), str(news["call"]))
    if news["op"] == "up":
        return read_report(news["isolation"])
    raise ValueError(f"op {news['op']!r}")


def sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """
    Return the process id that the kernel vouches for in *ancillary*, the credentials with a message; 0 without them.
    """
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(CREDENTIALS.unpack(data[: CREDENTIALS.size])[0])
    return 0


def _order(operation: str, number: int) -> bytes:
    return json.dumps({"op": operation, "id": number}).encode()


def _end(process: "subprocess.Popen[bytes]", patience_s: float = 1.0) -> int:
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
