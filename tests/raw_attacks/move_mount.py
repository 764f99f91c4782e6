# expect: violation
"""A mount moved."""


def hook(request):
    return attempt("move_mount", -1, b"", -1, b"", 0)
