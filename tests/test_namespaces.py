"""
The zygote's own world: what namespaces, the empty root and the change of user leave to a real process.
"""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from hookd.sandbox.jail.namespaces import LAYERS

NOBODY = 65534
UNUSED = 61184
SECONDS = 60.0

# Enter, fork into the new world, and tell what is there; errors by name, "done" where there was none.
SOURCE = """
import errno, json, os, socket, sys
from hookd.sandbox.jail import kernel, namespaces

def outcome(work):
    try:
        work()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def files(path):
    try:
        return os.listdir(path)
    except OSError as error:
        return errno.errorcode[error.errno]

as_user, refuses = int(sys.argv[1]), sys.argv[2].split()
{prepare}
if as_user:
    os.setgroups([])
    os.setresgid(as_user, as_user, as_user)
    os.setresuid(as_user, as_user, as_user)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
uid = {uid} if os.geteuid() == 0 else os.geteuid()
reasons = namespaces.enter()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    reasons = namespaces.give_up_rights(uid, reasons)
    found = dict(
        reasons=reasons,
        pid=os.getpid(),
        ids=[*os.getresuid(), *os.getresgid()],
        files=files("/"),
        above=files("/.."),
        write=outcome(lambda: open("/file", "w")),
        mount=outcome(lambda: kernel.mount("tmpfs", "/", "tmpfs", 0)),
        chroot=outcome(lambda: os.chroot("/")),
        root=outcome(lambda: os.setresuid(0, 0, 0)),
        network=[name for _, name in socket.if_nameindex()],
    )
    os.write(writing, json.dumps(found).encode())
    os._exit(0)
os.close(writing)
os.waitpid(child, 0)
print(os.read(reading, 65536).decode())
"""

# A container's filter: the calls in *refuses* fail with EPERM.
CONTAINER = """
from hookd.sandbox.jail import seccomp
from hookd.sandbox.jail.syscalls import TABLES
code = [(seccomp.LOAD, 0, 0, seccomp.NUMBER_AT)]
for name in refuses:
    code += [(seccomp.JUMP_EQUAL, 0, 1, TABLES[kernel.machine()][name])]
    code += [(seccomp.RETURN, 0, 0, seccomp.ERRNO | errno.EPERM)]
code.append((seccomp.RETURN, 0, 0, seccomp.ALLOW))
kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
seccomp.install(b"".join(seccomp.INSTRUCTION.pack(*instruction) for instruction in code))
"""


def enter(as_user: int = 0, refuses: str = "") -> dict[str, Any]:
    """Return what a process finds that has entered its own world, under a filter that *refuses* system calls."""
    source = SOURCE.format(prepare=CONTAINER if refuses else "", uid=UNUSED)
    done = subprocess.run(
        [sys.executable, "-c", source, str(as_user), refuses], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


USERS = [0, NOBODY] if os.getuid() == 0 else [0]


@pytest.mark.parametrize("as_user", USERS)
def test_a_world_of_ones_own(as_user: int) -> None:
    """
    As root and as an ordinary user: process 1, in an empty root that cannot be written, without network or rights.
    """
    found = enter(as_user)

    if found["reasons"]["user"] and os.getuid():
        pytest.skip(f"this machine has no namespaces for ordinary users: {found['reasons']['user']}")
    uid = as_user or (UNUSED if os.getuid() == 0 else os.getuid())
    assert found["reasons"] == dict.fromkeys(LAYERS, "")
    assert found["pid"] == 1
    assert set(found["ids"][:3]) == {uid}
    assert (found["files"], found["above"]) == ([], [])
    assert found["write"] in ("EROFS", "EACCES")
    assert {found["mount"], found["chroot"]} == {"EPERM"}
    assert found["root"] in ("EPERM", "EINVAL")  # the latter where root has no number in here
    assert set(found["network"]) <= {"lo", "sit0", "tunl0", "ip6tnl0"}  # modules of the kernel are everywhere


@pytest.mark.skipif(os.getuid() != 0, reason="only root has anything left then")
def test_root_gives_up_what_it_can_where_namespaces_are_refused() -> None:
    """
    As root in a container: an empty root by chroot, another user id, no capability.
    """
    found = enter(refuses="unshare mount")

    refused = {"user", "mount", "pid", "net", "ipc", "uts"}
    assert {name for name, why in found["reasons"].items() if why} == refused
    assert found["reasons"]["net"] == "unshare(0x40000000): EPERM"
    assert found["ids"] == [UNUSED] * 6
    assert (found["files"], found["above"]) == ("EACCES", "EACCES")
    assert found["write"] in ("EACCES", "ENOENT")
    assert {found["mount"], found["chroot"], found["root"]} <= {"EPERM", "EACCES"}


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user cannot chroot without a namespace")
def test_without_mounts_there_is_chroot() -> None:
    """
    Where only mounts are refused, the empty root is a directory that is gone.
    """
    found = enter(refuses="mount pivot_root")

    # Who lives in a chroot gets no user namespace (unshare(2), EPERM).
    assert found["reasons"] == {**dict.fromkeys(LAYERS, ""), "user": "unshare(0x10000000): EPERM"}
    assert (found["files"], found["above"]) == ("EACCES", "EACCES")
    assert found["write"] in ("EACCES", "ENOENT")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_without_namespaces_keeps_its_files() -> None:
    """
    Whatever is refused is named; the process itself goes on.
    """
    found = enter(NOBODY, "unshare")

    assert {name for name, why in found["reasons"].items() if not why} == {"uid"}
    assert found["reasons"]["root"].endswith("EPERM")
    assert "etc" in found["files"]
