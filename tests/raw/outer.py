"""
The filters that hookd may find itself under: Docker's default profile and systemd's @system-service, as data.

`load` puts one on this process, as Docker or systemd would have done before hookd's first line. What a filter does not
allow is refused with EPERM, as both do it (the unit with SystemCallErrorNumber=EPERM), or kills (the unit without).
"""

import ctypes
import errno
import json
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.raw.numbers import NUMBERS

HERE = Path(__file__).parent

# include/uapi/linux/prctl.h, seccomp.h, capability.h
PR_CAPBSET_DROP = 24
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_KILL_PROCESS = 0x80000000
CAPABILITY_VERSION_3 = 0x20080522
CAPABILITY_LAST = 40

# include/uapi/linux/audit.h
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# include/uapi/linux/bpf_common.h: class, size and mode, operation
LOAD = 0x20
AND = 0x54
JUMP_EQUAL = 0x15
JUMP_AT_LEAST = 0x35
RETURN = 0x06

# struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6]
NUMBER_AT = 0
ARCHITECTURE_AT = 4
ARGUMENTS_AT = 16

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, value


def load(name: str, *, deadly: bool = False, allow: Iterable[str] = (), forbid: Iterable[str] = ()) -> None:
    """
    Put the filter *name* on this process for good, and take the capabilities that come with it, if it names any.

    Args:
        deadly: Whether what is not allowed kills, instead of EPERM.
        allow: What is allowed beside.
        forbid: What is not, though the filter has it.
    """
    profile = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    profile["allow"] = sorted({*profile["allow"], *allow} - {*forbid})
    profile["otherwise"] = SECCOMP_RET_KILL_PROCESS if deadly else SECCOMP_RET_ERRNO | errno.EPERM
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program(profile))
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header, len(header))
    try:
        _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer)
    except PermissionError:  # an ordinary user, or root in a container: then only without new privileges
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer)
    if profile["capabilities"] is not None and os.geteuid() == 0:
        keep_capabilities(set(profile["capabilities"]))


def program(profile: dict[str, Any]) -> list[Instruction]:
    """
    Return the filter that *profile* describes.
    """
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[platform.machine()]),
        (RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    for call, error in profile["refuse"].items():
        code += _when(call, [(RETURN, 0, 0, SECCOMP_RET_ERRNO | getattr(errno, error))])
    for rule in profile["when"]:
        code += _when(rule["call"], _arguments(rule))
    for call in profile["allow"]:
        code += _when(call, [(RETURN, 0, 0, SECCOMP_RET_ALLOW)])
    return [*code, (RETURN, 0, 0, profile["otherwise"])]


def _when(call: str, code: list[Instruction]) -> list[Instruction]:
    if call not in NUMBERS:
        return []  # of another architecture
    return [(JUMP_EQUAL, 0, len(code), NUMBERS[call]), *code]


def _arguments(rule: dict[str, Any]) -> list[Instruction]:
    """The values are 32 bits wide and the machines little-endian, so the lower half is the value."""
    code: list[Instruction] = [(LOAD, 0, 0, ARGUMENTS_AT + 8 * rule["argument"])]
    if "mask" in rule:
        code.append((AND, 0, 0, rule["mask"]))
    if "below" in rule:
        code += [(JUMP_AT_LEAST, 1, 0, rule["below"]), (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    for value in rule["values"]:
        code += [(JUMP_EQUAL, 0, 1, value), (RETURN, 0, 0, SECCOMP_RET_ALLOW)]
    return [*code, (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)]


def keep_capabilities(kept: set[int]) -> None:
    """
    Give up every capability but *kept*, for this process and all that it executes.
    """
    for number in range(CAPABILITY_LAST + 1):
        if number not in kept:
            _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # one that this kernel does not know yet is not there
    mask = sum(1 << number for number in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ctypes.create_string_buffer(struct.pack("Ii", CAPABILITY_VERSION_3, 0), 8)
    sets = ctypes.create_string_buffer(struct.pack("IIIIII", low, low, 0, high, high, 0), 24)
    if _libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int, pointer: Any = 0) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), pointer, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option})")
