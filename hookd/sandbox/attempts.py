"""
The attempts to get out of the jail, one function each: it returns when it got out, and raises when it was denied.
"""

import _thread
import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hookd.sandbox.isolation import DONE
from hookd.sandbox.jail import kernel
from hookd.sandbox.jail.syscalls import TABLES

NOBODY = 0x3FFFFFFF  # a process id beyond any (PID_MAX_LIMIT is 2^22)
GIGABYTE = 1 << 30
PORT = 9  # discard: what matters is how far a packet gets, not who answers
ANSWER_S = 1.0
LOOPBACK = "127.0.0.1"
SI_QUEUE = -1  # include/uapi/asm-generic/siginfo.h
SIGINFO_BYTES = 128
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
MAP_PRIVATE, MAP_ANONYMOUS = 2, 32
PAGE_BYTES = 4096
WRITABLE = (".", "/tmp", "/var/tmp", "/dev/shm")  # the working directory, and where anybody may write
NO_THREAD = "can't start new thread"  # Modules/_threadmodule.c
# The other side, or the lack of one, answered: the network was reached.
REACHED = frozenset({errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ECONNRESET, errno.EHOSTUNREACH})


@dataclass(frozen=True, slots=True)
class Targets:
    """
    What the attempts are aimed at.

    Attributes:
        broker: The broker's process id, seen from outside, as /proc has it.
        broker_number: The same for system calls; NOBODY where it has none.
        sibling: Process id of another process of workers' user, in their namespaces.
        address: Where a socket listens, outside.
    """

    broker: int
    broker_number: int
    sibling: int
    address: bytes


def outcome(name: str, targets: Targets) -> str:
    """
    Make the attempt *name*; return "done", or how it was denied. One that fails by its own fault was not denied.
    """
    try:
        _ATTEMPTS[name](targets)
        return DONE
    except TimeoutError:
        return DONE  # out there somebody swallows packets
    except OSError as error:
        if name in ("tcp", "udp") and error.errno in REACHED:
            return DONE
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    except MemoryError as error:
        return type(error).__name__
    except RuntimeError as error:
        return type(error).__name__ if str(error) == NO_THREAD else DONE
    except Exception:
        return DONE


def _make(name: str, *arguments: kernel.Argument) -> int:
    # Not `syscalls.call`: that no number of it is written down here would look like a refusal.
    return kernel.syscall(TABLES[kernel.machine()][name], *arguments)


def _read_file(targets: Targets) -> None:
    os.close(os.open("/etc/passwd", os.O_RDONLY))


def _write_file(targets: Targets) -> None:
    refused = OSError(errno.EACCES, "nowhere to write")
    for directory in WRITABLE:
        path = os.path.join(directory, f"hookd-probe-{os.getpid()}-{time.monotonic_ns()}")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            refused = error
        else:
            os.unlink(path)
            return
    raise refused


def _tcp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as opened:
        opened.settimeout(ANSWER_S)
        opened.connect((LOOPBACK, PORT))


def _udp(targets: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.sendto(b"", (LOOPBACK, PORT))


def _unix(targets: Targets) -> None:
    # Not in REACHED: the listener is there, so a refusal means that this is another network.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        opened.connect(targets.address)


def _fork(targets: Targets) -> None:
    if os.fork() == 0:
        os._exit(0)


def _exec(targets: Targets) -> None:
    try:
        os.execv("/bin/sh", ["/bin/sh", "-c", "exit 0"])
    except OSError:
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", ""])


def _thread_start(targets: Targets) -> None:
    _thread.start_new_thread(time.time, ())


def _kill_broker(targets: Targets) -> None:
    os.kill(targets.broker_number, 0)


def _kill_sibling(targets: Targets) -> None:
    os.kill(targets.sibling, 0)


def _tgkill_sibling(targets: Targets) -> None:
    _make("tgkill", targets.sibling, targets.sibling, 0)


def _sigqueue_sibling(targets: Targets) -> None:
    info = struct.pack("=3i", 0, 0, SI_QUEUE).ljust(SIGINFO_BYTES, b"\0")
    _make("rt_tgsigqueueinfo", targets.sibling, targets.sibling, 0, info)


def _broker_memory(targets: Targets) -> None:
    os.close(os.open(f"/proc/{targets.broker}/mem", os.O_RDONLY))


def _broker_environ(targets: Targets) -> None:
    os.close(os.open(f"/proc/{targets.broker}/environ", os.O_RDONLY))


def _broker_descriptor(targets: Targets) -> None:
    _make("pidfd_getfd", _make("pidfd_open", targets.broker_number, 0), 0, 0)


def _executable_memory(targets: Targets) -> None:
    protection = PROT_READ | PROT_WRITE | PROT_EXEC
    _make("mmap", 0, PAGE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)


def _big_memory(targets: Targets) -> None:
    bytearray(GIGABYTE)


_ATTEMPTS: Mapping[str, Callable[[Targets], None]] = MappingProxyType(
    {
        "read_file": _read_file,
        "write_file": _write_file,
        "tcp": _tcp,
        "udp": _udp,
        "unix": _unix,
        "fork": _fork,
        "exec": _exec,
        "thread": _thread_start,
        "kill_broker": _kill_broker,
        "kill_sibling": _kill_sibling,
        "tgkill_sibling": _tgkill_sibling,
        "sigqueue_sibling": _sigqueue_sibling,
        "broker_memory": _broker_memory,
        "broker_environ": _broker_environ,
        "broker_descriptor": _broker_descriptor,
        "executable_memory": _executable_memory,
        "big_memory": _big_memory,
    }
)
