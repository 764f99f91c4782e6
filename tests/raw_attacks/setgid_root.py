# expect: violation
"""The superuser's group."""


def hook(request):
    return attempt("setgid", 0)
