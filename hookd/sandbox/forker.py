"""
The zygote proper: it has everything that a hook may use in memory, is locked up itself, and forks workers.

It loads and executes what hooks may use, gives up files, rights and its user id, probes the jail from inside, and then
waits on its control socket (SOCK_SEQPACKET, one JSON message a packet):

    broker to zygote: {"op": "spawn", "id": n} with the worker's end of a socket pair (SCM_RIGHTS); {"op": "kill",
    "id": n}
    zygote to broker: {"op": "up", "isolation": report (see `isolation`)}; {"op": "exited", "id": n, "status": wait
    status, "call": the system call that the filter killed it for, or ""}

Only the zygote knows its children, so a process id is never used after its process was reaped. It ends with the broker:
on the end of the control socket, and by the parent-death signal.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from typing import Any

from hookd.sandbox import jail, packing, probe, worker
from hookd.sandbox.jail import namespaces
from hookd.sandbox.surroundings import Surroundings
from hookd.sandbox.tracing import Tracer

PACKET_BYTES = 32_768
ENDS_A_TURN = 32  # stops and ends that are seen to before the next order is


def main(surroundings: Surroundings) -> None:
    """
    Warm up, give up all rights, say how good the jail is, then serve the broker until it is gone.
    """
    with contextlib.suppress(PermissionError):  # it leads a group already
        os.setsid()  # signals to the whole group, kill(0), stay among us
    started = time.monotonic()
    gc.freeze()  # what is loaded stays: only the warm-up leaves something to collect
    results = worker.warm_up()
    # After each fork Python would renew the locks of threads, of which there are none here, and write to 0.5 MB of
    # pages for that, which a worker shares with this process else.
    threading._after_fork.__code__ = (lambda: None).__code__  # type: ignore[attr-defined]
    warm_up_ms = (time.monotonic() - started) * 1000
    reasons = _give_up_rights(surroundings)
    prepared = jail.prepare()
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    gc.collect()
    packing.fill()
    gc.freeze()
    gc.enable()
    report = probe.probe(surroundings, prepared, reasons, results)
    report["times_ms"]["warm_up"] = round(warm_up_ms, 1)
    os.close(surroundings.listener_fd)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    layers = [name for name in jail.LAYERS if not report["layers"][name]]
    with (
        socket.socket(fileno=surroundings.control_fd) as control,
        contextlib.suppress(BrokenPipeError, ConnectionResetError),
    ):
        control.send(json.dumps({"op": "up", "isolation": report}).encode())
        Forker(control, reading, surroundings.nothing_fd, prepared, layers).serve()


def _give_up_rights(surroundings: Surroundings) -> dict[str, str]:
    os.umask(0o077)  # not before: Python writes the bytecode of what it loads, for others to read as well
    parent = os.getppid()
    reasons = namespaces.give_up_rights(surroundings.uid, surroundings.reasons)
    jail.end_with(parent)  # again: the change of user took it back
    jail.no_new_privileges()
    jail.not_dumpable()
    return reasons


class Forker:
    """
    Forks, traces, kills and reaps workers at the broker's word.

    Args:
        control: The broker.
        wakeup: Readable once a child has stopped or ended.
        nothing: A descriptor of /dev/null.
        layers: Those of the jail that every worker has to be able to put in force.
        main: What a worker is, once it is forked.
    """

    def __init__(
        self,
        control: socket.socket,
        wakeup: int,
        nothing: int,
        prepared: jail.Lock,
        layers: Collection[str],
        *,
        main: Callable[[int, int, int, jail.Lock, Collection[str]], None] = worker.main,
    ) -> None:
        self._main = main
        self._control = control
        self._wakeup = wakeup
        self._nothing = nothing
        self._prepared = prepared
        self._layers = layers
        self._children: dict[int, int] = {}  # worker id → process id
        self._tracer = Tracer()

    def serve(self) -> None:
        """
        Obey until the broker is gone.
        """
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        is_behind = False
        while True:
            ready = {fd for fd, _ in poll.poll(0 if is_behind else None)}
            # Orders first: a worker that keeps stopping delays nobody's end.
            if self._control.fileno() in ready and not self._obey():
                return
            if self._wakeup in ready:
                os.read(self._wakeup, 512)
            if is_behind or self._wakeup in ready:
                is_behind = self._reap()

    def _obey(self) -> bool:
        packet, fds, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 1)
        if not packet:
            return False
        order = json.loads(packet)
        if order["op"] == "spawn":
            self._spawn(order["id"], fds[0])
        elif order["id"] in self._children:
            os.kill(self._children[order["id"]], signal.SIGKILL)
        return True

    def _spawn(self, number: int, fd: int) -> None:
        parent = os.getpid()
        waiting, go = os.pipe2(os.O_CLOEXEC)
        # A fork has its parent's dumpability, and who is not dumpable cannot be traced.
        jail.dumpable()
        try:
            pid = os.fork()
        except OSError as error:
            for unused in (fd, waiting, go):
                os.close(unused)
            jail.not_dumpable()
            print(f"hookd: no worker could be forked: {error}", file=sys.stderr)
            self._tell(op="exited", id=number, status=-1, call="")
            return
        if pid == 0:
            os.close(go)
            os.read(waiting, 1)  # until it is traced; also where the zygote dies in between
            self._become_worker(fd, parent)
        jail.not_dumpable()
        self._tracer.seize(pid)
        for done in (go, waiting, fd):
            os.close(done)
        self._children[number] = pid

    def _become_worker(self, fd: int, parent: int) -> None:
        """
        Turn this fresh fork into a worker; never returns.
        """
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._main(fd, self._nothing, parent, self._prepared, self._layers)
            code = 0
        except BaseException:
            # Where anybody can read it: before the lock standard error is still the operator's.
            traceback.print_exc()
        finally:
            os._exit(code)

    def _reap(self) -> bool:
        """
        See to some of the children that have stopped or ended; return whether there may be more.
        """
        for _ in range(ENDS_A_TURN):
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return False
            if os.WIFSTOPPED(status):
                self._tracer.go_on(pid, status)
            else:
                self._on_end(pid, status)
        return True

    def _on_end(self, pid: int, status: int) -> None:
        call = self._tracer.end(pid)
        for number in [number for number, child in self._children.items() if child == pid]:
            del self._children[number]
            self._tell(op="exited", id=number, status=status, call=call)

    def _tell(self, **message: Any) -> None:
        self._control.send(json.dumps(message).encode())
