# expect: error
"""Memory at address 0, for a null pointer of the kernel's."""


def hook(request):
    told = attempt("mmap", 0, 4096, 3, 0x32, -1, 0)
    if told.endswith("EPERM"):
        raise PermissionError(told)
    return told
