"""
The names and numbers of the system calls, for the filter and for the log; and which of them are deadly here.

A filter that hookd finds itself under may refuse a call with an error, or kill whoever makes it (a systemd unit with
SystemCallFilter= and without SystemCallErrorNumber=). So the calls that such lists leave out are made by a throw-away
child first: what kills it is refused from then on, as if the filter had given an error.

x86_64: arch/x86/entry/syscalls/syscall_64.tbl; aarch64: include/uapi/asm-generic/unistd.h (both of Linux 6.19, and
numbers are never given anew). A line is the number of its first name; the others follow one by one.
"""

import contextlib
import errno
import os
import signal
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from hookd.sandbox.jail import kernel

_X86_64 = """
0 read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
15 rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise
29 shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept
44 sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt
56 clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl flock
74 fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink
89 readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace getuid
103 syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups setgroups
117 setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending
128 rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality ustat statfs fstatfs
139 sysfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler
146 sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall vhangup
154 modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2
167 swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module delete_module
177 get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid readahead
188 setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr
198 lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup
207 io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old
215 epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create
223 timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres
230 clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy mq_open
241 mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key keyctl
251 ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat
260 fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll
272 unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages utimensat epoll_pwait
282 signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2
291 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init
301 fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu
310 process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom
319 memfd_create kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2
329 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq uretprobe uprobe
424 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount
433 fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr
443 quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease
449 futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue
457 statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat
466 removexattrat open_tree_attr file_getattr file_setattr listns
"""

_AARCH64 = """
0 io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
11 listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie eventfd2
20 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl
30 ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root
42 nfsservctl statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat
55 fchown openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev pread64 pwrite64 preadv
70 pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat fstat sync fsync fdatasync
84 sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality exit
94 exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer
104 kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun timer_settime timer_delete
112 clock_settime clock_gettime clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler
120 sched_getscheduler sched_getparam sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max
126 sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend
134 rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority
142 reboot setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid
155 getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask
167 prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo
180 mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget semctl
192 semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept connect getsockname getpeername
206 sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key request_key
219 keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall mincore
233 madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo
241 perf_event_open accept4 recvmmsg
260 wait4 prlimit64 fanotify_init fanotify_mark
266 clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module sched_setattr
275 sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd membarrier mlock2
285 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq kexec_file_load
424 pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount
433 fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr
443 quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease
449 futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue
457 statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat
466 removexattrat open_tree_attr file_getattr file_setattr listns
"""


def _table(text: str) -> Mapping[str, int]:
    table: dict[str, int] = {}
    for line in text.strip().splitlines():
        first, *names = line.split()
        table |= {name: int(first) + offset for offset, name in enumerate(names)}
    return MappingProxyType(table)


# Architecture, as `uname -m` says it, → name → number.
TABLES: Mapping[str, Mapping[str, int]] = MappingProxyType({"x86_64": _table(_X86_64), "aarch64": _table(_AARCH64)})


# Not in systemd's @system-service, or in @privileged and @resources, which its manual advises to take out of it.
DOUBTFUL = (
    *("unshare", "mount", "umount2", "pivot_root", "chroot", "setgroups", "setresgid", "setresuid", "capset"),
    *("ptrace", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"),
    *("getpriority", "setpriority", "ioprio_set", "sched_setaffinity"),
)
NOTHING = (-1, -1, -1, -1, -1, -1)  # arguments with which each of them fails, or changes nothing


def call(name: str, *arguments: kernel.Argument) -> int:
    """
    Return what the system call *name* gives.

    Raises:
        OSError: The kernel refused, the call is deadly here, or nobody has written down its number on this machine.
    """
    table = TABLES.get(kernel.machine(), {})
    if name not in table:
        raise OSError(errno.ENOSYS, f"no number of {name} on {kernel.machine()}")
    refuse_deadly(name)
    return kernel.syscall(table[name], *arguments)


def name_of(machine: str, number: int) -> str:
    """
    Return the name of the system call *number*, or the number itself where there is no name for it.
    """
    names = {found: name for name, found in TABLES.get(machine, {}).items()}
    return names.get(number, f"system call {number}")


def refuse_deadly(*names: str) -> None:
    """
    Return if none of *names* is deadly here; for who is about to make these calls by way of the C library or Python.

    Raises:
        OSError: One of them is.
    """
    for name in names:
        if name in DOUBTFUL and name in deadly():
            raise OSError(errno.EPERM, f"{name} is filtered (SIGSYS)")


@cache
def deadly() -> frozenset[str]:
    """
    Return those of DOUBTFUL for which a filter kills whoever makes them.

    The first time throw-away children find out, so that is before a process locks itself or enters namespaces.
    """
    table = TABLES.get(kernel.machine(), {})
    found: set[str] = set()
    left = [name for name in DOUBTFUL if name in table]
    while left:
        survived = _survived([table[name] for name in left])
        found |= {*left[survived : survived + 1]}
        left = left[survived + 1 :]
    return frozenset(found)


def _survived(numbers: Sequence[int]) -> int:
    """
    Return how many of the calls *numbers*, one after another, a child of this process makes until it is killed.
    """
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        # No room for a child, so for no worker either: whatever the reason is, it will be told of that.
        os.close(writing)
        os.close(reading)
        return len(numbers)
    if pid == 0:
        try:
            kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # nor is there a core file of it
            for number in numbers:
                with contextlib.suppress(OSError):
                    kernel.syscall(number, *NOTHING)
                os.write(writing, b".")
        finally:
            os._exit(0)
    os.close(writing)
    told = 0
    while made := len(os.read(reading, 512)):
        told += made
    os.close(reading)
    status = os.waitpid(pid, 0)[1]
    return told if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS else len(numbers)
