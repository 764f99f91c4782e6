# expect: violation
"""The processor's tables."""


def hook(request):
    return attempt("modify_ldt", 0, 0, 0)
