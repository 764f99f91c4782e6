# expect: violation
"""A number below all numbers."""


def hook(request):
    result = libc.syscall(-2)
    raise OSError(ctypes.get_errno(), str(result))
