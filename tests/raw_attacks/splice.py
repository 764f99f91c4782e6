# expect: violation
"""The same by splice(2)."""


def hook(request):
    return attempt("splice", 0, 0, 3, 0, 16, 0)
