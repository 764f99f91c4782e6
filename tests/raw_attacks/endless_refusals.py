# expect: timeout
"""Refused system calls without end: each may cost the kernel a line of its log."""


def hook(request):
    while True:
        libc.syscall(NUMBERS["openat"], -100, b"/etc/passwd", 0, 0)
