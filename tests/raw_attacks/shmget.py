# expect: violation
"""Shared memory."""


def hook(request):
    return attempt("shmget", 0x686b, 4096, 0)
