# expect: error
"""A page offered for merging with equal ones of others: how long a write to it takes tells what they hold."""

import mmap

MADV_MERGEABLE = 12


def hook(request):
    mmap.mmap(-1, mmap.PAGESIZE).madvise(MADV_MERGEABLE)
    return "merged"
