# expect: violation
"""getpid(2) by the numbers of x32, which filters forget."""


def hook(request):
    return str(libc.syscall(0x40000000 | 39))
