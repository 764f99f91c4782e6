# expect: memory|error
"""A gigabyte by mmap(2)."""

import mmap


def hook(request):
    return len(mmap.mmap(-1, 1 << 30))
