"""
The filter for system calls: what a worker may ask of the kernel for the rest of its life.

A verdict a call. What CPython needs to compute, and to read and write the descriptors it has, is allowed. What opens
paths fails with EACCES, as in a directory without rights. What only a broken-out hook would try kills the process, so
that it is noticed. All else, and all that kernels have yet to invent, fails with ENOSYS: a C library that tries
something new falls back to the old way, while killing for it loses about one honest run in a thousand
(dify-sandbox#274). The program is a binary search over ranges of numbers: the kernel walks it for every number when it
is installed, once per worker.
"""

import ctypes
import errno
import signal
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from hookd.sandbox.jail import kernel
from hookd.sandbox.jail.syscalls import TABLES, call

# Allowed: memory, time, its own signals, its own identity, and the descriptors that it was given.
ALLOWED = frozenset(
    {
        *("read", "write", "readv", "writev", "close", "fstat", "lseek", "poll", "ppoll"),
        *("brk", "munmap", "mremap", "getrandom"),
        *("rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
        *("getpid", "gettid", "getrusage", "times", "gettimeofday", "time"),
        *("futex", "rseq", "sched_yield", "exit", "exit_group"),
    }
)
# Allowed as long as no page becomes executable: foreign machine code would be free of Python altogether.
WITHOUT_EXEC = frozenset({"mmap", "mprotect"})
# Allowed with SIGABRT for its own process, which is all that abort() needs (raise in glibc's nptl/pthread_kill.c). With
# another process it kills a sibling; with SIGKILL the end looks like an operator's, and SIGSTOP parks the worker.
ABORT = frozenset({"tgkill"})
# Allowed with the clocks that everybody has: a negative one is the CPU time of a process, of which ps knows more.
CLOCKS = frozenset({"clock_gettime", "clock_getres"})
# Allowed with what memory allocators say: MADV_MERGEABLE lets others be spied upon by how long a write takes.
ADVICE = frozenset({"madvise"})
# Fail with EACCES: honest code looks for files, and goes on when it may not.
PATHS = frozenset(
    {
        *("open", "openat", "openat2", "creat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat"),
        *("faccessat2", "readlink", "readlinkat", "getcwd", "getdents", "getdents64", "ioctl", "statfs", "fstatfs"),
        *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat"),
        *("symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown"),
        *("fchown", "fchownat", "truncate", "ftruncate", "utime", "utimes", "utimensat", "futimesat", "chdir"),
        *("fchdir", "getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr"),
        *("llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr", "inotify_add_watch"),
    }
)

# Left to ENOSYS on purpose, though they look dangerous: the C library may make them on its own (prlimit64 in getrlimit,
# fcntl, dup, prctl to name memory, sched_getaffinity, sysinfo, clock_nanosleep, set_robust_list, membarrier;
# rt_sigaction in abort, once SIGABRT did not end it). Without handlers the first signal ends a worker; with them each
# would be a stop for `tracing`, without end.

# Not in any list: uprobe and uretprobe, which the kernel (since 6.12) lets past every filter, and which kill whoever
# was not being probed.

# Why an honest worker never makes these calls → the calls. Whoever makes one is no honest worker: killed.
RED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "a worker talks on the one descriptor it was given": frozenset(
            {
                *("socket", "socketpair", "connect", "accept", "accept4", "bind", "listen", "sendto", "sendmsg"),
                *("sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "getsockname", "getpeername"),
                *("setsockopt", "getsockopt"),
            }
        ),
        "a worker is one process with one thread": frozenset(
            {"clone", "clone3", "fork", "vfork", "execve", "execveat", "unshare", "setns"}
        ),
        "other processes are none of its business": frozenset(
            {
                *("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal"),
                *("pidfd_getfd", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise"),
                *("process_mrelease", "kcmp", "migrate_pages", "move_pages"),
            }
        ),
        "wide parts of the kernel with a history of holes": frozenset(
            {
                *("io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd"),
                *("add_key", "request_key", "keyctl", "io_setup", "io_submit", "fanotify_init", "fanotify_mark"),
                *("modify_ldt", "lookup_dcookie", "uselib"),
            }
        ),
        "memory that can be executed, or shared with others": frozenset(
            {
                *("memfd_create", "memfd_secret", "pkey_mprotect", "personality", "remap_file_pages"),
                *("map_shadow_stack", "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl"),
                *("semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend"),
                *("mq_timedreceive", "mq_notify", "mq_getsetattr"),
            }
        ),
        "the file system as a whole, and ways around its rights": frozenset(
            {
                *("mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount", "fsopen"),
                *("fsconfig", "fsmount", "fspick", "mount_setattr", "statmount", "listmount", "name_to_handle_at"),
                *("open_by_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff", "acct", "nfsservctl"),
                *("splice", "vmsplice", "tee", "sendfile", "copy_file_range"),
            }
        ),
        "only the machine's administrator": frozenset(
            {
                *("init_module", "finit_module", "delete_module", "create_module", "query_module", "kexec_load"),
                *("get_kernel_syms", "kexec_file_load", "reboot", "syslog", "iopl", "ioperm", "settimeofday"),
                *("clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "vhangup"),
                *("_sysctl", "sysfs", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid"),
                *("setgroups", "setfsuid", "setfsgid", "capset"),
            }
        ),
    }
)
KILLED = frozenset().union(*RED.values())

# include/uapi/linux/audit.h
ARCHITECTURES: Mapping[str, int] = MappingProxyType({"x86_64": 0xC000003E, "aarch64": 0xC00000B7})
X32_BIT = 0x40000000  # arch/x86/include/uapi/asm/unistd.h: the same calls again, by other numbers

# include/uapi/linux/seccomp.h
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_ACTION_AVAIL = 2
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
KILL = 0x80000000
ERRNO = 0x00050000
DENY = ERRNO | errno.EACCES
UNKNOWN = ERRNO | errno.ENOSYS
INVALID = ERRNO | errno.EINVAL  # as from a kernel that does not know the value
# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]; both architectures are little-endian.
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT, ARGUMENT_BYTES = 0, 4, 16, 8

# include/uapi/linux/bpf_common.h
LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_NOT_LESS = 0x35  # BPF_JMP | BPF_JGE | BPF_K
JUMP_BITS = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K
JUMP_MAX = 255  # of a conditional jump: its offsets are bytes
INSTRUCTION = struct.Struct("=HBBI")

PROT_EXEC = 4
# include/uapi/asm-generic/mman-common.h: NORMAL, WILLNEED, DONTNEED, FREE, HUGEPAGE, NOHUGEPAGE
ADVICES = (0, 3, 4, 8, 14, 15)
NEGATIVE = 1 << 31
# Stands for the worker's own process id until it is patched in; no process has this one (PID_MAX_LIMIT is 2^22).
ITSELF = 0x7FFFFFFF

Code = list[tuple[int, int, int, int]]


def program(machine: str) -> bytes:
    """
    Return the filter for *machine*, with ITSELF where the worker's process id belongs.

    Raises:
        OSError: Nobody has written down the system calls of such a machine.
    """
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"no filter for {machine}")
    return assembled(machine, _search(_ranges(TABLES[machine])))


def assembled(machine: str, code: Code) -> bytes:
    """
    Return the filter that kills for calls of another architecture than *machine*'s, and gives the numbers of its own to
    *code*.
    """
    head: Code = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in (*head, *code))


def patched(code: bytes, pid: int) -> bytes:
    """
    Return *code*, a `program`, for the worker with process id *pid*.
    """
    return code.replace(INSTRUCTION.pack(*_is_itself(ITSELF)), INSTRUCTION.pack(*_is_itself(pid)))


def installer() -> str:
    """
    Return which call can install a filter here: "seccomp", or "prctl" (systemd's @system-service lacks the former).
    """
    action = ctypes.create_string_buffer(struct.pack("=I", KILL), 4)
    try:
        call("seccomp", SECCOMP_GET_ACTION_AVAIL, 0, action)
        return "seccomp"
    except OSError:
        return "prctl"


def install(code: bytes) -> None:
    """
    Put *code* in force for this process, for good; no_new_privs is set before.

    Raises:
        OSError: The kernel refused.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: unsigned short len; struct sock_filter *filter
    header = struct.pack("HxxxxxxP", len(code) // INSTRUCTION.size, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(header, len(header))
    if installer() == "seccomp":
        call("seccomp", SECCOMP_SET_MODE_FILTER, 0, holder)
    else:
        kernel.prctl(kernel.PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(holder))


def _return(verdict: int) -> Code:
    return [(RETURN, 0, 0, verdict)]


def _without_exec() -> Code:
    return [
        (LOAD, 0, 0, ARGUMENTS_AT + 2 * ARGUMENT_BYTES),  # int prot
        (JUMP_BITS, 0, 1, PROT_EXEC),
        *_return(KILL),
        *_return(ALLOW),
    ]


# The kernel reads the arguments of these three as ints, so the upper halves say nothing.


def _abort() -> Code:
    return [
        (LOAD, 0, 0, ARGUMENTS_AT),  # pid_t tgid
        _is_itself(ITSELF),
        (LOAD, 0, 0, ARGUMENTS_AT + 2 * ARGUMENT_BYTES),  # int sig
        (JUMP_EQUAL, 0, 1, signal.SIGABRT),
        *_return(ALLOW),
        *_return(KILL),
    ]


def _is_itself(pid: int) -> tuple[int, int, int, int]:
    return (JUMP_EQUAL, 0, 3, pid)  # over the rest of `_abort`, to its last line


def _everybodys_clock() -> Code:
    return [(LOAD, 0, 0, ARGUMENTS_AT), (JUMP_BITS, 0, 1, NEGATIVE), *_return(INVALID), *_return(ALLOW)]


def _plain_advice() -> Code:
    code = [(LOAD, 0, 0, ARGUMENTS_AT + 2 * ARGUMENT_BYTES)]  # int advice
    for advice in ADVICES:
        code += [(JUMP_EQUAL, 0, 1, advice), *_return(ALLOW)]
    return [*code, *_return(INVALID)]


VERDICTS: tuple[tuple[frozenset[str], Callable[[], Code]], ...] = (
    (ALLOWED, lambda: _return(ALLOW)),
    (WITHOUT_EXEC, _without_exec),
    (ABORT, _abort),
    (CLOCKS, _everybodys_clock),
    (ADVICE, _plain_advice),
    (PATHS, lambda: _return(DENY)),
    (KILLED, lambda: _return(KILL)),
)


def _ranges(table: Mapping[str, int]) -> list[tuple[int, Code]]:
    """
    Return (first number, what happens from it on), in ascending order.
    """
    unknown = _return(UNKNOWN)
    verdicts = {number: _verdict(name) for name, number in table.items()}
    ranges: list[tuple[int, Code]] = [(0, verdicts.get(0, unknown))]
    for number in range(1, max(verdicts) + 2):
        code = verdicts.get(number, unknown)
        if code != ranges[-1][1]:
            ranges.append((number, code))
    return [*ranges, (X32_BIT, _return(KILL))]


def _verdict(name: str) -> Code:
    return next((code() for names, code in VERDICTS if name in names), _return(UNKNOWN))


def _search(ranges: list[tuple[int, Code]]) -> Code:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    bound = ranges[middle][0]
    if len(below) <= JUMP_MAX:
        return [(JUMP_NOT_LESS, len(below), 0, bound), *below, *above]
    return [(JUMP_NOT_LESS, 0, 1, bound), (JUMP, 0, 0, len(below)), *below, *above]
