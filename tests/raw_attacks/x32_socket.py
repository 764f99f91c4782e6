# expect: violation
"""socket(2) by the numbers of x32."""


def hook(request):
    return str(libc.syscall(0x40000000 | 41, 2, 1, 0))
