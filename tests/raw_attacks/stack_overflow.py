# expect: crash|error|memory|timeout
"""Recursion without the interpreter's limit."""

import sys


def hook(request):
    sys.setrecursionlimit(1 << 30)

    def down(n):
        return [down(n + 1) for _ in (0,)]

    return down(0)
