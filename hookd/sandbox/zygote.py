"""
The start of the clean process that forks workers; `python -I -m hookd.sandbox.zygote CONTROL_FD BROKER_PID`.

It is exec'd, not forked, by the broker: with an empty environment, no secrets in its memory and no threads, so that a
fork of it has nothing to give away. It enters its namespaces first. A namespace for processes begins with the next
child, so where there is one, this process forks once more:

    broker -- exec --> zygote.main: waits -- fork --> forker.main: warms up, forks workers (process 1 of its namespace)

Whoever of the three dies takes those below along: by the parent-death signal, and because a namespace ends with its
process 1. The one that waits ends as the one below it did.
"""

import gc
import os
import select
import signal
import sys

from hookd.sandbox import jail
from hookd.sandbox.jail import namespaces
from hookd.sandbox.surroundings import Surroundings, listen


def main() -> None:
    """
    Serve the broker on the descriptor and for the process that the command line names.
    """
    control_fd, broker = int(sys.argv[1]), int(sys.argv[2])
    _reset_signals()
    jail.end_with(broker)
    os.chdir("/")
    nothing_fd = os.open(os.devnull, os.O_RDWR)
    jail.close_inherited({0, 1, 2, control_fd, nothing_fd})
    jail.die_first()
    listener, address = listen()  # outside, for the probe to look for from inside
    uid = namespaces.free_id()
    reasons = namespaces.enter()
    if reasons["pid"]:
        jail.end_with(broker)  # again: a change of credentials takes it back
    else:
        _fork_and_wait(broker, uid, [control_fd, nothing_fd, listener])
    _serve(Surroundings(control_fd, nothing_fd, listener, broker, address, uid, reasons))


def _reset_signals() -> None:
    """
    Undo what whoever started hookd may have left: a mask and what is ignored outlast an exec.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, no child could be waited for
    signal.signal(signal.SIGABRT, signal.SIG_DFL)  # what a worker may send itself has to end it
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # A terminal's Ctrl-C reaches the whole process group: the broker decides when the zygote ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _serve(surroundings: Surroundings) -> None:
    # What is loaded from here on stays: to look through it for garbage again and again takes a tenth of the start.
    gc.disable()
    # Not above: the process that waits must not hold what workers need, 20 MB that nobody would ever use.
    from hookd.sandbox import forker

    forker.main(surroundings)


def _fork_and_wait(broker: int, uid: int, fds: list[int]) -> None:
    """
    Return in a child, process 1 of the namespace; this process waits for it and ends as it does.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        for fd in (*fds, reading):
            os.close(fd)
        # Nothing of root is left in here; the order to die with the broker is given after the change of user.
        namespaces.limit_capabilities()
        namespaces.take_id(uid)
        namespaces.drop_capabilities()
        jail.end_with(broker)
        jail.not_dumpable()
        _end_like(os.waitpid(pid, 0)[1])
    os.close(writing)
    jail.end_with(0)  # the parent's number, seen from inside
    if select.select([reading], [], [], 0)[0]:
        os._exit(1)  # the parent died before the line above: nobody else holds the other end
    os.close(reading)


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
