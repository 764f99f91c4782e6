"""
Landlock: no right to any file, port or foreign process, whatever the filter for system calls lets through.

A ruleset without a rule denies all that it handles. Rights are handled as far as this kernel knows them. What kernels
after ABI 6 added (sockets in the file system, UDP) is left to the filter and to the network namespace.
"""

import errno
import os
import struct

from hookd.sandbox.jail.syscalls import call, refuse_deadly

CREATE_RULESET_VERSION = 1

# include/uapi/linux/landlock.h. ABI → bits (files, network, scopes) that it knows of.
# 1: EXECUTE … MAKE_SYM; 2: + REFER; 3: + TRUNCATE; 4: + TCP bind and connect; 5: + IOCTL_DEV;
# 6: + scopes ABSTRACT_UNIX_SOCKET and SIGNAL; 7: only flags for what is written to the audit log
RIGHTS = (
    (0, 0, 0),
    (0x1FFF, 0, 0),
    (0x3FFF, 0, 0),
    (0x7FFF, 0, 0),
    (0x7FFF, 0b11, 0),
    (0xFFFF, 0b11, 0),
    (0xFFFF, 0b11, 0b11),
)
NET_SINCE, SCOPES_SINCE = 4, 6


def abi() -> int:
    """
    Return the version of Landlock that this kernel has, 0 where it has none or may not use it.
    """
    try:
        return call("landlock_create_ruleset", None, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def ruleset(version: int) -> bytes:
    """
    Return the struct landlock_ruleset_attr that handles every right of ABI *version*.
    """
    files, network, scopes = RIGHTS[min(version, len(RIGHTS) - 1)]
    fields = [files, *([network] if version >= NET_SINCE else []), *([scopes] if version >= SCOPES_SINCE else [])]
    return struct.pack(f"={len(fields)}Q", *fields)


def deny_all(version: int) -> None:
    """
    Deny this process, for good, every right that ABI *version* knows of; no_new_privs is set before.

    Raises:
        OSError: The kernel has no Landlock, or it is refused, by a filter for system calls above all.
    """
    if version < 1:
        raise _absence()
    attributes = ruleset(version)
    fd = call("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        call("landlock_restrict_self", fd, 0)
    finally:
        os.close(fd)


def _absence() -> OSError:
    refuse_deadly("landlock_create_ruleset")
    try:
        call("landlock_create_ruleset", None, 0, CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):  # not in this kernel, or switched off when it started
            return OSError(error.errno, "Landlock is refused")
    return OSError(errno.ENOSYS, "there is no Landlock here")
