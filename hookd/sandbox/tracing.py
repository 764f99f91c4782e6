"""
Names the system call that a worker was killed for.

The kernel tells a parent only that the filter killed its child (SIGSYS). A tracer may look at the child once more
before it is gone (PTRACE_EVENT_EXIT), when its registers still hold the call's number. Tracing has a price: every
signal to a worker stops it until the zygote has passed it on. So the filter lets a worker send itself none but SIGABRT,
and have no handler that would outlive it. Where ptrace is refused there are no names, and all else is as ever.
"""

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Mapping
from types import MappingProxyType

from hookd.sandbox.jail import kernel
from hookd.sandbox.jail.syscalls import call, name_of

# include/uapi/linux/ptrace.h
PTRACE_CONT = 7
PTRACE_GETEVENTMSG = 0x4201
PTRACE_GETREGSET = 0x4204
PTRACE_SEIZE = 0x4206
PTRACE_LISTEN = 0x4208
PTRACE_O_TRACEEXIT = 0x40
PTRACE_O_EXITKILL = 0x100000
PTRACE_EVENT_EXIT = 6
PTRACE_EVENT_STOP = 128
NT_PRSTATUS = 1  # include/uapi/linux/elf.h

# Where a register set has the number of the call: orig_rax in struct user_regs_struct, x8 in struct user_pt_regs.
CALL_AT: Mapping[str, int] = MappingProxyType({"x86_64": 15 * 8, "aarch64": 8 * 8})
REGISTERS_BYTES = 512


class Tracer:
    """
    Traces the workers of one zygote.
    """

    def __init__(self) -> None:
        self._calls: dict[int, str] = {}  # process id → the call that it is killed for

    def seize(self, pid: int) -> None:
        """
        Trace *pid*, a dumpable child; without effect where the system refuses.
        """
        with contextlib.suppress(OSError):
            _ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

    def go_on(self, pid: int, status: int) -> None:
        """
        Let *pid* go on, which waitpid says has stopped with *status*.
        """
        number, event = os.WSTOPSIG(status), status >> 16
        with contextlib.suppress(OSError):  # it was killed in the meantime
            if event == PTRACE_EVENT_EXIT:
                self._look_at(pid)
                _ptrace(PTRACE_CONT, pid, 0, 0)
            elif event == PTRACE_EVENT_STOP:
                # An operator's SIGSTOP stays in force until SIGCONT.
                _ptrace(PTRACE_CONT if number == signal.SIGTRAP else PTRACE_LISTEN, pid, 0, 0)
            else:
                _ptrace(PTRACE_CONT, pid, 0, number)  # a signal, passed on

    def end(self, pid: int) -> str:
        """
        Forget *pid*, which is gone, and return the name of the call that it was killed for, or "".
        """
        return self._calls.pop(pid, "")

    def _look_at(self, pid: int) -> None:
        message = ctypes.create_string_buffer(8)
        _ptrace(PTRACE_GETEVENTMSG, pid, 0, message)
        (status,) = struct.unpack("=Q", message.raw)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGSYS:
            return
        registers = ctypes.create_string_buffer(REGISTERS_BYTES)
        vector = struct.pack("PN", ctypes.addressof(registers), REGISTERS_BYTES)  # struct iovec
        _ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, ctypes.create_string_buffer(vector, len(vector)))
        (number,) = struct.unpack_from("=q", registers.raw, CALL_AT[kernel.machine()])
        self._calls[pid] = name_of(kernel.machine(), number)


def _ptrace(request: int, pid: int, address: int, data: kernel.Argument) -> None:
    call("ptrace", request, pid, address, data)
