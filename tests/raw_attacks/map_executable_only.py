# expect: violation
"""Memory to execute only."""


def hook(request):
    return attempt("mmap", 0, 4096, 4, 0x22, -1, 0)
