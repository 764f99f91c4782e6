"""
The clean process that forks workers; `python -I -B -m hookd.sandbox.zygote CONTROL_FD PARENT_PID`.

It is exec'd, not forked, by the broker: with an empty environment, no secrets in its memory and no threads, so that a
fork of it has nothing to give away. It loads and executes everything that a hook may use, then waits on its control
socket (SOCK_SEQPACKET, one JSON message a packet):

    broker to zygote: {"op": "spawn", "id": n} with the worker's end of a socket pair (SCM_RIGHTS); {"op": "kill",
    "id": n} zygote to broker: {"op": "up"}, {"op": "started", "id": n, "pid": p}, {"op": "exited", "id": n, "status":
    wait status}

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
import traceback
from typing import Any

from hookd.sandbox import jail, worker

PACKET_BYTES = 4096


class Zygote:
    """
    Forks, kills and reaps workers at the broker's word.
    """

    def __init__(self, control: socket.socket, wakeup: int) -> None:
        self._control = control
        self._wakeup = wakeup
        self._children: dict[int, int] = {}  # worker id → process id

    def serve(self) -> None:
        """
        Obey until the broker is gone.
        """
        self._tell(op="up")
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wakeup in ready:
                os.read(self._wakeup, 512)
                self._reap()
            if self._control.fileno() in ready and not self._obey():
                return

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
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fd)
            print(f"hookd: no worker could be forked: {error}", file=sys.stderr)
            self._tell(op="exited", id=number, status=-1)
            return
        if pid == 0:
            _become_worker(fd, parent)
        os.close(fd)
        self._children[number] = pid
        self._tell(op="started", id=number, pid=pid)

    def _reap(self) -> None:
        ended = {}
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                ended[pid] = status
        for number in [number for number, pid in self._children.items() if pid in ended]:
            self._tell(op="exited", id=number, status=ended[self._children.pop(number)])

    def _tell(self, **message: Any) -> None:
        self._control.send(json.dumps(message).encode())


def _become_worker(fd: int, parent: int) -> None:
    """
    Turn this fresh fork into a worker; never returns.
    """
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        # A service manager or a Ctrl-C signals every process of the group: what is in flight is answered first.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        worker.main(fd, parent)
        code = 0
    except BaseException:
        # Where anybody can read it: before the lock standard error is still the operator's.
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """
    Warm up, then serve the broker on the descriptor and for the process that the command line names.
    """
    control_fd, parent = int(sys.argv[1]), int(sys.argv[2])
    jail.end_with(parent)
    os.chdir("/")
    os.umask(0o077)
    jail.close_descriptors({0, 1, 2, control_fd})
    worker.warm_up()
    jail.not_dumpable()
    # A terminal's Ctrl-C reaches the whole process group: the broker decides when the zygote ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control_fd) as control, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        Zygote(control, reading).serve()


if __name__ == "__main__":
    main()
