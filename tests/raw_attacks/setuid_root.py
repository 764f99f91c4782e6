# expect: violation
"""The superuser."""


def hook(request):
    return attempt("setuid", 0)
