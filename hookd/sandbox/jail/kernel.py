"""
The kernel by way of the C library: `prctl`, system calls by number, and the errors that they end with.
"""

import ctypes
import errno
import os
from functools import cache

# include/uapi/linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

Argument = int | bytes | ctypes.Array[ctypes.c_char] | None


@cache
def machine() -> str:
    """
    Return the name of this machine's architecture, as the kernel has it.
    """
    return os.uname().machine


def prctl(option: int, *values: int) -> int:
    """
    Return what prctl(2) gives for *option*.

    Raises:
        OSError: The kernel refused.
    """
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return _checked(_libc.prctl(option, *arguments), f"prctl({option})")


def syscall(number: int, *arguments: Argument) -> int:
    """
    Return what the system call *number* gives; integers go as longs, bytes and buffers as pointers.

    Raises:
        OSError: The kernel refused.
    """
    passed = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed), f"system call {number}")


def unshare(flags: int) -> None:
    """
    Move this process into the new namespaces that *flags* name.

    Raises:
        OSError: The kernel refused.
    """
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """
    Do what mount(2) does.

    Raises:
        OSError: The kernel refused.
    """
    texts = [text.encode() if text else None for text in (source, target, kind, options)]
    result = _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _checked(result, f"mount {target}")


def unmount(target: str, flags: int) -> None:
    """
    Do what umount2(2) does.

    Raises:
        OSError: The kernel refused.
    """
    _checked(_libc.umount2(target.encode(), ctypes.c_int(flags)), f"unmount {target}")


def reason(error: OSError) -> str:
    """
    Return *error* in the form that reports have: what was tried, and the name of its number.
    """
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    what = (error.strerror or "").partition(":")[0] or "refused"
    return f"{what}: {name}"


def _checked(result: int, what: str) -> int:
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result
