# expect: error
"""The CPU time of another process, read to learn when a neighbour computes."""

import time


def hook(request):
    return [time.clock_gettime((~pid << 3) | 2) for pid in range(1, 100)]
