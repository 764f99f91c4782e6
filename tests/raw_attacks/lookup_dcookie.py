# expect: violation
"""Names of files by number."""


def hook(request):
    return attempt("lookup_dcookie", 0, 0, 0)
