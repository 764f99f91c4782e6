# expect: violation
"""The same, and the memory that comes of it."""


def hook(request):
    attempt("personality", 0x0400000)
    return attempt("mmap", 0, 4096, 1, 0x22, -1, 0)
