# expect: violation
"""execveat(2) by its number."""


def hook(request):
    return attempt("execveat", -100, b"/bin/true", 0, 0, 0)
