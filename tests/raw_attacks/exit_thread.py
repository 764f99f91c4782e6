# expect: crash
"""The only thread ended by exit(2)."""


def hook(request):
    libc.syscall(NUMBERS["exit"], 0)
