# expect: timeout
"""System calls without end."""


def hook(request):
    while True:
        libc.syscall(NUMBERS["getpid"])
