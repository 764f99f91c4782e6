# expect: violation
"""The superuser by setresuid(2)."""


def hook(request):
    return attempt("setresuid", 0, 0, 0)
