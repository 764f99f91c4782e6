"""
A zygote whose workers have no language layer: `python -I -B tests/raw/zygote.py CONTROL_FD PARENT_PID`.

It is the real one in all but this: what comes with {"kind": "raw"} is compiled by `compile` and run by `exec`, with the
builtins and modules of the interpreter at hand, ctypes and system calls by name included. So a payload begins where a
hook would be that has broken out of the language layer.
"""

import ctypes
import errno
import gc
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hookd.sandbox import worker, zygote  # the line above makes it findable
from tests.raw.numbers import NUMBERS

Message = dict[str, Any]

# What payloads import: loaded before the lock, since a locked worker opens no file.
PRELOADED = (
    "array atexit builtins code codecs collections concurrent.futures contextlib decimal errno faulthandler "
    "fcntl functools gc importlib inspect io itertools json marshal mmap multiprocessing operator os pickle "
    "platform pty random re resource sched select selectors shutil signal site socket ssl stat string struct "
    "subprocess sys tempfile termios textwrap threading time traceback types uuid warnings weakref zlib"
)
MESSAGE_CHARACTERS = 500
# How the filter refuses a call. Anything else means that the kernel has looked into it, EPERM included: rights are the
# next barrier, not this one.
REFUSED = frozenset({errno.EACCES, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Raw:
    """A payload."""

    code: CodeType
    name: str


def attempt(name: str, *arguments: Any) -> str:
    """
    Make the system call *name* and say what came of it.

    Raises:
        OSError: It was refused.
    """
    ctypes.set_errno(0)
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = LIBC.syscall(ctypes.c_long(NUMBERS[name]), *given)
    code = ctypes.get_errno()
    if result == -1 and code in REFUSED:
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return f"{name}: {errno.errorcode[code] if result == -1 else result}"


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
NAMES = {"ctypes": ctypes, "libc": LIBC, "attempt": attempt, "NUMBERS": NUMBERS}


def compile_any(message: Message) -> Any:
    """The worker's compile_program, and beside it the plain one."""
    if message["kind"] != "raw":
        return HONEST_COMPILE(message)
    return Raw(compile(message["source"], message["file"], "exec"), message["name"])


def execute_any(program: Any, run: worker.Run, write: Callable[[str], None]) -> Message:
    """The worker's execute, and beside it the plain one."""
    if not isinstance(program, Raw):
        return HONEST_EXECUTE(program, run, write)
    names: dict[str, Any] = {**NAMES, "write": write}
    try:
        exec(program.code, names)
        return {"ok": names["hook"](run.document)}
    except BaseException as error:
        code = "memory" if isinstance(error, MemoryError) else "error"
        message = f"{type(error).__name__}: {error}"[:MESSAGE_CHARACTERS]
        return {"error": {"code": code, "file": "hook.py", "line": 1, "message": message, "remedy": ""}}


HONEST_COMPILE, HONEST_EXECUTE = worker.compile_program, worker.execute


def main() -> None:
    """Load what payloads use, put the plain layer in, and be a zygote."""
    for name in PRELOADED.split():
        importlib.import_module(name)
    worker.compile_program = compile_any
    worker.execute = execute_any
    gc.collect()
    zygote.main()


if __name__ == "__main__":
    main()
