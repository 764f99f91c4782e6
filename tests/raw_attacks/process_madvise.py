# expect: violation
"""The broker's memory put to disk."""


def hook(request):
    return attempt("process_madvise", 3, 0, 0, 0, 0)
