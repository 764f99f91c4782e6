"""
The broker's hold on the zygote: start it, order forks and kills, hear of ends, and start another one when it dies.

The zygote's death is the death of its workers (parent-death signal). One that keeps dying is started ever more slowly.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from hookd.errors import SandboxError

START_S = 20.0
LAST_WORDS_S = 0.25  # for a dying zygote's message on standard error
RESTART_DELAYS_S = (0.0, 0.1, 0.5, 1.0, 5.0)  # between two starts of a zygote that keeps dying
FORGIVEN_S = 60.0  # a zygote that lived this long starts with a clean slate
PACKET_BYTES = 32_768  # the isolation report is one packet
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC0"}  # nothing of ours: a worker may come to read it

log = structlog.get_logger("hookd.sandbox")


class Launcher:
    """
    One zygote at a time.

    Args:
        on_started: Called with number and process id of each worker that was forked.
        on_exited: Called with number and wait status of each worker that has ended.
        on_death: Called when the zygote has died, and with it every worker.
        on_up: Called when another one has taken its place.
    """

    def __init__(
        self,
        *,
        on_started: Callable[[int, int], None],
        on_exited: Callable[[int, int], None],
        on_death: Callable[[], None],
        on_up: Callable[[], None],
    ) -> None:
        self._on_started = on_started
        self._on_exited = on_exited
        self._on_death = on_death
        self._on_up = on_up
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._up: asyncio.Future[None] | None = None
        self._restart: asyncio.Task[None] | None = None
        self._deaths = 0
        self._is_closing = False

    @property
    def is_up(self) -> bool:
        """Whether the zygote is there and can fork."""
        return self._up is not None and self._up.done() and not self._up.cancelled() and self._control is not None

    @property
    def pid(self) -> int:
        """The zygote's process id; 0 where there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """
        Start the zygote and wait until it can fork.

        Raises:
            SandboxError: It did not come up.
        """
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "hookd.sandbox.zygote", str(theirs.fileno()), str(os.getpid())],
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
            raise SandboxError(f"the sandbox did not start within {START_S:g} s") from error

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

    def _drop_control(self) -> None:
        if self._control:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None

    def _on_readable(self) -> None:
        control = self._control
        while control and control is self._control:
            try:
                packet = control.recv(PACKET_BYTES)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._on_end()
                return
            self._on_news(json.loads(packet))

    def _on_news(self, news: dict[str, Any]) -> None:
        if news["op"] == "started":
            self._on_started(news["id"], news["pid"])
        elif news["op"] == "exited":
            self._on_exited(news["id"], news["status"])
        elif self._up and not self._up.done():
            self._up.set_result(None)

    def _on_end(self) -> None:
        self._drop_control()
        if self._up and not self._up.done():
            self._up.set_exception(SandboxError("the sandbox's zygote ended while it started; see its message above"))
        if self._process:
            status = _end(self._process, LAST_WORDS_S)
            if not self._is_closing:
                log.error("zygote_died", status=status)
        self._on_death()
        if not self._is_closing and (self._restart is None or self._restart.done()):
            self._restart = self._loop.create_task(self._start_again())

    async def _start_again(self) -> None:
        while not self._is_closing:
            await asyncio.sleep(RESTART_DELAYS_S[min(self._deaths, len(RESTART_DELAYS_S) - 1)])
            self._deaths += 1
            started = time.monotonic()
            try:
                await self.start()
            except (SandboxError, OSError) as error:
                log.error("zygote_start_failed", error=str(error))
                self._drop_control()
                if self._process:
                    await asyncio.to_thread(_end, self._process)
                continue
            # It may have died again, before this task came to know that it was up: then the loop goes on.
            if self.is_up:
                log.info("zygote_restarted", seconds=round(time.monotonic() - started, 3))
                self._loop.call_later(FORGIVEN_S, self._forgive)
                self._on_up()
                return

    def _forgive(self) -> None:
        self._deaths = 0


def _order(operation: str, number: int) -> bytes:
    return json.dumps({"op": operation, "id": number}).encode()


def _end(process: "subprocess.Popen[bytes]", patience_s: float = 1.0) -> int:
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
