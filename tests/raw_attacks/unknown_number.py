# expect: error
"""A system call that nobody knows yet."""


def hook(request):
    result = libc.syscall(9999)
    raise OSError(ctypes.get_errno(), str(result))
