# expect: error
"""Watching what others do with files."""


def hook(request):
    return attempt("inotify_init1", 0)
