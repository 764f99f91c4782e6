# expect: violation
"""A semaphore."""


def hook(request):
    return attempt("semget", 0x686b, 1, 0)
