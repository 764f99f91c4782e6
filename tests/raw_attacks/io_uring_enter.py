# expect: violation
"""The ring of somebody else."""


def hook(request):
    return attempt("io_uring_enter", 3, 0, 0, 0, 0, 0)
