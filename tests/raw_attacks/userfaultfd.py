# expect: violation
"""The handling of page faults taken over."""


def hook(request):
    return attempt("userfaultfd", 0)
