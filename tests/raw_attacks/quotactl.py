# expect: violation
"""Quotas of a disk."""


def hook(request):
    return attempt("quotactl", 0, b"/nowhere", 0, 0)
