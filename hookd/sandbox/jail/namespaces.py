"""
A world of its own for the zygote and all its workers: no network, no foreign processes, no files, no rights.

Every step is taken where the system grants it: as an ordinary user by way of a user namespace (many containers refuse
one), as root with or without. What is refused is reported with its reason, and the other steps are taken. As root the
zygote ends up under a user id that nobody else has, so that files of other users, processes of other users and
RLIMIT_NPROC (from which root is exempt) hold even where all namespaces are refused.
"""

import contextlib
import errno
import os
import pwd
import struct
import time
from collections.abc import Mapping
from types import MappingProxyType

from hookd.sandbox.jail import kernel
from hookd.sandbox.jail.syscalls import call, refuse_deadly

# include/uapi/linux/sched.h
FLAGS: Mapping[str, int] = MappingProxyType(
    {
        "user": 0x10000000,
        "mount": 0x00020000,
        "pid": 0x20000000,
        "net": 0x40000000,
        "ipc": 0x08000000,
        "uts": 0x04000000,
        "cgroup": 0x02000000,
    }
)
LAYERS = ("user", "pid", "net", "ipc", "uts", "mount", "root", "uid")  # those that reports speak of

# include/uapi/linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
EMPTY = MS_NOSUID | MS_NODEV | MS_NOEXEC

# include/uapi/linux/capability.h
CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES_END = 64

COVERED = "/tmp"  # there everywhere, and empty below our mount; nobody outside of this namespace sees that

# systemd gives these to services for as long as they run, and keeps people and packages out of them
# (systemd.io/UIDS-GIDS).
UNUSED_IDS = range(61184, 65520)

Reasons = dict[str, str]


def free_id() -> int:
    """
    Return the user id that workers get: where hookd runs as root an unused one, else this process's own.
    """
    if os.geteuid() != 0:
        return os.geteuid()
    start = os.getpid() % len(UNUSED_IDS)  # two zygotes hardly ever share one
    for offset in range(len(UNUSED_IDS)):
        found = UNUSED_IDS[(start + offset) % len(UNUSED_IDS)]
        try:
            pwd.getpwuid(found)
        except KeyError:
            return found
    return UNUSED_IDS[start]


def enter() -> Reasons:
    """
    Move this process into new namespaces, as many as can be had; return layer → "" or why it is not in force.

    The namespace for processes holds for children only. Root enters the one for users at the very end, in
    `give_up_rights`: it would lose the right to read other users' files, among which Python itself may be.
    """
    if os.geteuid() == 0:
        return _unshare([name for name in FLAGS if name != "user"]) | {"user": "not entered yet"}
    uid, gid = os.geteuid(), os.getegid()  # inside they have no number until the maps are written
    reasons = _unshare(list(FLAGS))
    if not reasons["user"]:
        reasons["user"] = _map(_own_directory(), uid, gid)
    return reasons


def _unshare(names: list[str]) -> Reasons:
    try:
        refuse_deadly("unshare")
        kernel.unshare(sum(FLAGS[name] for name in names))
        return dict.fromkeys(names, "")
    except OSError:
        pass  # something of it is refused: find out what
    reasons = {}
    for name in names:
        try:
            refuse_deadly("unshare")
            kernel.unshare(FLAGS[name])
            reasons[name] = ""
        except OSError as error:
            reasons[name] = kernel.reason(error)
    return reasons


def _own_directory() -> int:
    """
    Return a descriptor of this process's directory in /proc, -1 where there is none.
    """
    try:
        return os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1


def _map(process: int, uid: int, gid: int) -> str:
    """
    Give one user and one group of outside their numbers inside; *process* is from `_own_directory`, and closed.
    """
    if process < 0:
        return "id maps: no /proc"
    try:
        _write(process, "setgroups", "deny")  # or an ordinary user may not write the group map: user_namespaces(7)
        _write(process, "uid_map", f"{uid} {uid} 1")
        _write(process, "gid_map", f"{gid} {gid} 1")
        return ""
    except OSError as error:
        return f"id maps: {errno.errorcode.get(error.errno or 0, str(error.errno))}"
    finally:
        os.close(process)


def _write(directory: int, name: str, text: str) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def give_up_rights(uid: int, entered: Reasons) -> Reasons:
    """
    Leave files, user id and capabilities behind, once nothing has to be read any more.

    Args:
        uid: From `free_id`.
        entered: From `enter`.

    Returns:
        Each of LAYERS → "" or why it is not in force.
    """
    was_root = os.geteuid() == 0
    process = _own_directory() if was_root else -1  # there is no /proc in an empty root
    reasons = entered | {"root": empty_root(entered["mount"])}
    limit_capabilities()
    refused = [take_id(uid)]
    if was_root:
        reasons["user"] = _enter_user(process)
        limit_capabilities()  # once more: in a new namespace there are all of them again
    reasons["uid"] = "; ".join(filter(None, [*refused, drop_capabilities()]))
    return {name: reasons[name] for name in LAYERS}


def _enter_user(process: int) -> str:
    uid, gid = os.geteuid(), os.getegid()
    try:
        refuse_deadly("unshare")
        kernel.unshare(FLAGS["user"])
    except OSError as error:
        return kernel.reason(error)
    # The change of user made the files of this process in /proc root's.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    return _map(process, uid, gid)


def make_mounts_private() -> None:
    """
    Keep what is mounted from here on to this mount namespace.

    Raises:
        OSError: The kernel refused.
    """
    kernel.mount("", "/", "", MS_REC | MS_PRIVATE)


def empty_root(mounts_reason: str) -> str:
    """
    Make an empty directory, which cannot be written, the root; return "" or why not.

    It is a file system of its own where there is a mount namespace, a deleted directory where there is only the right
    to chroot. Whatever a later step may want to read is open by now.
    """
    if not mounts_reason:
        try:
            refuse_deadly("mount", "pivot_root", "umount2")
            make_mounts_private()
            kernel.mount("tmpfs", COVERED, "tmpfs", EMPTY, "mode=0555,size=4k,nr_inodes=2")
            os.chdir(COVERED)
            # Onto itself, so that the old root needs no directory in the new one: pivot_root(2), NOTES.
            call("pivot_root", b".", b".")
            kernel.unmount(".", MNT_DETACH)
            os.chdir("/")
            kernel.mount("", "/", "", MS_REMOUNT | MS_BIND | MS_RDONLY | EMPTY)
            return ""
        except OSError:
            pass  # there may still be the right to chroot
    try:
        _chroot_into_nothing()
        return ""
    except OSError as error:
        os.chdir("/")
        return kernel.reason(error)


def _chroot_into_nothing() -> None:
    refuse_deadly("chroot")
    path = f"{COVERED}/hookd-{os.getpid()}-{time.monotonic_ns()}"
    os.mkdir(path, 0o500)
    try:
        os.chdir(path)
    finally:
        os.rmdir(path)  # nothing can be created in a directory that is gone
    os.chroot(".")
    os.chdir("/")


def take_id(uid: int) -> str:
    """
    Become the user *uid*, in no group but its own; return "" or why not. Also "" where this never was root.
    """
    if uid == os.geteuid():
        return ""
    try:
        refuse_deadly("setgroups", "setresgid", "setresuid")
    except OSError as error:
        return kernel.reason(error)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        return ""
    except OSError as error:
        return f"user id {uid}: {errno.errorcode.get(error.errno or 0, str(error.errno))}"


def limit_capabilities() -> None:
    """
    Keep capabilities from ever coming back; before `take_id`, which takes the right to do so.
    """
    for number in range(CAPABILITIES_END):
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # past the last one
                break
            return  # an ordinary user without a namespace: there are none to drop
    with contextlib.suppress(OSError):  # before Linux 4.3 there are no ambient ones
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities() -> str:
    """
    Drop every capability that this process has; return "" or why not.
    """
    nothing = bytes(struct.calcsize("=6I"))  # two of struct __user_cap_data_struct: effective, permitted, inheritable
    try:
        call("capset", struct.pack("=Ii", CAPABILITY_VERSION_3, 0), nothing)
        return ""
    except OSError as error:
        return kernel.reason(error)
