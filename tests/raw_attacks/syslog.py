# expect: violation
"""The kernel's log."""


def hook(request):
    return attempt("syslog", 10, 0, 0)
