# expect: error
"""The same by prlimit64(2)."""


def hook(request):
    wanted = (ctypes.c_ulong * 2)(2**64 - 1, 2**64 - 1)
    return attempt("prlimit64", 0, 9, wanted, 0)
