# expect: crash
"""Recursion in C, which has no limit but the stack's end."""


def hook(request):
    it = iter([1])
    for _ in range(200_000):
        it = zip(it)
    return str(next(it))
