# expect: violation
"""A file system made."""


def hook(request):
    return attempt("fsopen", b"nowhere", 0)
