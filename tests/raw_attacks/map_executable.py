# expect: violation
"""Memory to write and execute."""

import mmap


def hook(request):
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    return "mapped"
