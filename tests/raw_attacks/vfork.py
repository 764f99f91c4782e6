# expect: violation
"""vfork(2) by its number."""


def hook(request):
    child = libc.syscall(NUMBERS["vfork"])
    if child == 0:
        libc._exit(0)
    return str(child)
