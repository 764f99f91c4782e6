"""
System call numbers of this machine, by name.
"""

import platform

from hookd.sandbox.jail.syscalls import TABLES


class NoSuchCall(LookupError):
    """This machine has no system call of that name; another architecture has."""


class Numbers(dict[str, int]):
    """Name to number."""

    def __missing__(self, name: str) -> int:
        raise NoSuchCall(name)


NUMBERS = Numbers(TABLES[platform.machine()])
