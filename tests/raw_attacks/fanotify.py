# expect: violation
"""Watching all files of the machine."""


def hook(request):
    return attempt("fanotify_init", 0, 0)
