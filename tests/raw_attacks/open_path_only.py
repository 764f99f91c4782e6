# expect: error
"""A handle on a directory, by O_PATH, without reading it."""


def hook(request):
    return attempt("open", b"/", 0o10000000, 0)
