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
from hookd.sandbox.jail.syscalls import call

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
OVERFLOW_ID = 65534  # in the kernel's stead for ids without a name: never somebody of one's own

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
            if found != OVERFLOW_ID:
                return found
    return UNUSED_IDS[start]


def enter(uid: int) -> Reasons:
    """
    Move this process into new namespaces, as many as can be had; return layer → "" or why it is not in force.

    The namespace for processes holds for children only. *uid* is the one id that exists in the user namespace.
    """
    helper = _Mapper(uid) if os.geteuid() == 0 else None
    # Read before: in the new namespace they have no name until the maps are written.
    uid, gid = (uid, uid) if helper else (os.geteuid(), os.getegid())
    reasons = _unshare()
    try:
        if not reasons["user"]:
            if helper:
                helper.write_maps()
            else:
                _write_maps("self", uid, gid, denies_groups=True)
    except OSError as error:
        reasons["user"] = kernel.reason(error)
    finally:
        if helper:
            helper.end()
    return reasons


def _unshare() -> Reasons:
    try:
        kernel.unshare(sum(FLAGS.values()))
        return dict.fromkeys(FLAGS, "")
    except OSError:
        pass  # something of it is refused: find out what
    reasons = {}
    for name, flag in FLAGS.items():
        try:
            kernel.unshare(flag)
            reasons[name] = ""
        except OSError as error:
            reasons[name] = kernel.reason(error)
    return reasons


def _write_maps(process: str, uid: int, gid: int, *, denies_groups: bool) -> None:
    if denies_groups:  # or an ordinary user may not write the group map: user_namespaces(7)
        _write(f"/proc/{process}/setgroups", "deny")
    _write(f"/proc/{process}/uid_map", f"{uid} {uid} 1")
    _write(f"/proc/{process}/gid_map", f"{gid} {gid} 1")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


class _Mapper:
    """
    A child that stays outside and writes the id maps: from inside one may map no id but one's own, which is root's.
    """

    def __init__(self, uid: int) -> None:
        reading, self._writing = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writing)
            code = 0
            try:
                if os.read(reading, 1):
                    _write_maps(str(parent), uid, uid, denies_groups=False)
            except OSError as error:
                code = error.errno or errno.EIO
            finally:
                os._exit(code)
        os.close(reading)

    def write_maps(self) -> None:
        os.write(self._writing, b"1")
        code = self.end()
        if code:
            raise OSError(code, f"id maps: {os.strerror(code)}")

    def end(self) -> int:
        if self._pid == 0:
            return 0
        os.close(self._writing)
        status = os.waitpid(self._pid, 0)[1]
        self._pid = 0
        return os.waitstatus_to_exitcode(status)


def make_mounts_private() -> None:
    """
    Keep what is mounted from here on to this mount namespace.

    Raises:
        OSError: The kernel refused.
    """
    kernel.mount("", "/", "", MS_REC | MS_PRIVATE)


def empty_root(uid: int, reasons: Reasons) -> str:
    """
    Make an empty directory, which cannot be written, the root; return "" or why not.

    It is a file system of its own where there is a mount namespace, a deleted directory where there is only the right
    to chroot. Whatever a later step may want to read is open by now.
    """
    if not reasons["mount"]:
        try:
            make_mounts_private()
            owner = f",uid={uid},gid={uid}" if not reasons["user"] and os.geteuid() in (0, OVERFLOW_ID) else ""
            kernel.mount("tmpfs", COVERED, "tmpfs", EMPTY, f"mode=0555,size=4k,nr_inodes=2{owner}")
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
