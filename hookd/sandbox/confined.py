"""
The launcher of ffmpeg: takes away what it does not need, then becomes it.

    python -I -m hookd.sandbox.confined PARENT CPU_S FILE_BYTES PROGRAM [ARGUMENT …]

Standard input is the recording and standard output the file that the result goes to; both are open before. A decoder
reads what strangers send by telephone: one that such bytes have taken over may load its libraries, read its input and
write that one file, and nothing else. It has no socket, starts no program, sees no directory of the site, and is dead
as soon as hookd is. What cannot be put in force is no reason to go on without: then nothing is converted.
"""

import errno
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hookd.sandbox import jail
from hookd.sandbox.jail import kernel, landlock, namespaces, seccomp
from hookd.sandbox.jail.syscalls import TABLES, call, refuse_deadly

REFUSED = 120  # exit code: the program was not started; standard error says why
USAGE = 2

MEGABYTE = 1024 * 1024
ADDRESS_SPACE_BYTES = 1024 * MEGABYTE  # ffmpeg of Debian 12 maps 300 MB, nearly all of it libraries
FILES_MAX = 64
LOCKED_BYTES = 64 * 1024  # libgcrypt, which is loaded though nothing is encrypted, complains without
TASKS_MAX = 4096  # of the user, hookd's own included: the filter for system calls is what keeps it from forking
CORES_MAX = 2
NICE = 19  # calls are being served on this machine

# include/uapi/linux/ioprio.h: best effort, the last in its row. Not the idle class: where many calls are being
# recorded that one would get no turn within a deadline of seconds.
IOPRIO_WHO_PROCESS = 1
IOPRIO = 2 << 13 | 7

# include/uapi/linux/landlock.h
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
RULE_PATH_BENEATH = 1
PATH_BENEATH = struct.Struct("=Qi")  # struct landlock_path_beneath_attr, packed

# Where programs have their libraries, and the list that says which is where. What is not there is left out.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
LIBRARY_LISTS = ("/etc/ld.so.cache",)

# What ffmpeg and the libraries that it loads ask for. All else fails with ENOSYS: no socket, no new program or process,
# no change of owners, rights, names or times, no other process.
CALLS = frozenset(
    {
        *("read", "pread64", "readv", "write", "pwrite64", "writev", "lseek", "close", "fstat", "ftruncate"),
        *("open", "openat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink"),
        *("readlinkat", "getdents64", "statfs", "fstatfs", "getcwd", "fadvise64", "dup", "dup2"),
        *("mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "mlock", "munlock", "membarrier", "get_mempolicy"),
        *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "poll", "ppoll"),
        *("select", "pselect6", "pipe2", "eventfd2", "futex", "set_robust_list", "get_robust_list", "rseq"),
        *("set_tid_address", "arch_prctl", "prctl", "getrlimit", "getrusage", "sysinfo", "uname", "times"),
        *("getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getcpu", "getrandom"),
        *("sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler", "getpriority"),
        *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
        *("exit", "exit_group", "execve"),  # Landlock says what may be executed: the program itself
    }
)
# Call → which argument has to be one of which values.
ARGUMENTS: Mapping[str, tuple[int, tuple[int, ...]]] = MappingProxyType(
    {
        "prlimit64": (0, (0,)),  # its own limits: those of hookd, of the same user, would be open to it
        # F_DUPFD to F_SETFL, F_DUPFD_CLOEXEC (fcntl.h): with F_SETOWN and F_SETSIG it could have hookd killed
        "fcntl": (1, (0, 1, 2, 3, 4, 1030)),
    }
)
# Its flags tell threads from processes; clone3 has them in memory, where no filter looks.
CLONE = "clone"
CLONE_THREAD = 0x00010000  # include/uapi/linux/sched.h


def main(arguments: list[str]) -> int:
    """
    Lock this process down and become the program that *arguments* name; return only if that fails.
    """
    if len(arguments) < 4 or not all(number.isdecimal() for number in arguments[:3]):
        print("usage: confined PARENT CPU_S FILE_BYTES PROGRAM [ARGUMENT …]", file=sys.stderr)
        return USAGE
    parent, cpu_s, file_bytes = map(int, arguments[:3])
    command = arguments[3:]
    try:
        jail.end_with(parent)
        _give_way()
        _limit(cpu_s, file_bytes)
        jail.no_new_privileges()
        if os.geteuid() == 0:
            # A program that root executes would have them all again, were it not for these two.
            namespaces.limit_capabilities()
            refused = namespaces.drop_capabilities()
            if refused:
                raise OSError(errno.EPERM, refused)
        _confine_files(command[0])
        # Python ignores these two, and an ignored signal stays ignored in what is executed.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        seccomp.install(program(kernel.machine()))  # last: it denies what the steps before need
        os.execve(command[0], command, dict(os.environ))
    except OSError as error:
        print(f"{error.strerror or error}", file=sys.stderr)
    return REFUSED


def program(machine: str) -> bytes:
    """
    Return the filter for system calls on *machine*, for `seccomp.install`.

    Raises:
        OSError: Nobody has written down the system calls of such a machine.
    """
    if machine not in seccomp.ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"there is no filter for {machine}")
    table = TABLES[machine]
    numbers = sorted(table[name] for name in CALLS if name in table)
    code: seccomp.Code = []
    for number in numbers:
        code += [(seccomp.JUMP_EQUAL, 0, 1, number), (seccomp.RETURN, 0, 0, seccomp.ALLOW)]
    for name, (argument, values) in ARGUMENTS.items():
        code += [
            (seccomp.JUMP_EQUAL, 0, 2 * len(values) + 2, table[name]),
            (seccomp.LOAD, 0, 0, seccomp.ARGUMENTS_AT + argument * seccomp.ARGUMENT_BYTES),  # ints: the lower half
        ]
        for value in values:
            code += [(seccomp.JUMP_EQUAL, 0, 1, value), (seccomp.RETURN, 0, 0, seccomp.ALLOW)]
        code.append((seccomp.RETURN, 0, 0, seccomp.UNKNOWN))
    code += [
        (seccomp.JUMP_EQUAL, 0, 3, table[CLONE]),
        (seccomp.LOAD, 0, 0, seccomp.ARGUMENTS_AT),
        (seccomp.JUMP_BITS, 0, 1, CLONE_THREAD),
        (seccomp.RETURN, 0, 0, seccomp.ALLOW),
        (seccomp.RETURN, 0, 0, seccomp.UNKNOWN),
    ]
    return seccomp.assembled(machine, code)


def _give_way() -> None:
    """Let everybody else go first: at the cores, at the disk, and when memory runs out the other way round."""
    jail.give_way(NICE)
    call("ioprio_set", IOPRIO_WHO_PROCESS, 0, IOPRIO)
    refuse_deadly("sched_setaffinity")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-CORES_MAX:])
    jail.die_first()


def _limit(cpu_s: int, file_bytes: int) -> None:
    jail.limit_resources(
        (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, cpu_s),
            (resource.RLIMIT_FSIZE, file_bytes),
            (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
            (resource.RLIMIT_NOFILE, FILES_MAX),
            (resource.RLIMIT_NPROC, TASKS_MAX),
            (resource.RLIMIT_MEMLOCK, LOCKED_BYTES),
            (resource.RLIMIT_MSGQUEUE, 0),
        )
    )


def _confine_files(command: str) -> None:
    version = landlock.abi()
    if version < 1:
        raise OSError(errno.ENOSYS, "the kernel has no Landlock, or may not use it")
    attributes = landlock.ruleset(version)
    ruleset = call("landlock_create_ruleset", attributes, len(attributes), 0)
    known = landlock.RIGHTS[min(version, len(landlock.RIGHTS) - 1)][0]
    try:
        for fd, rights in _rules(command):
            rule = PATH_BENEATH.pack(rights & known, fd)
            call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, rule, 0)
        call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _rules(command: str) -> Iterable[tuple[int, int]]:
    """Descriptor of a file or directory → what may be done with it and what is below."""
    yield sys.stdout.fileno(), WRITE_FILE | TRUNCATE
    paths = [
        (command, EXECUTE | READ_FILE),
        *((path, EXECUTE | READ_FILE | READ_DIR) for path in LIBRARIES),
        *((path, READ_FILE) for path in LIBRARY_LISTS),
    ]
    for path, rights in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            yield fd, rights
        finally:
            os.close(fd)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
