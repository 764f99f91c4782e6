# expect: violation
"""The memory of a dying process."""


def hook(request):
    return attempt("process_mrelease", 3, 0)
