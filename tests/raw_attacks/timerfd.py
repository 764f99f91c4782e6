# expect: error
"""A timer as a descriptor."""


def hook(request):
    return attempt("timerfd_create", 1, 0)
