# expect: error
"""Memory at address 0, for a null pointer of the kernel's."""


def hook(request):
    return attempt("mmap", 0, 4096, 3, 0x32, -1, 0)
