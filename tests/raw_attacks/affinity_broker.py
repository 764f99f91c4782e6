# expect: error
"""The broker on one processor."""


def hook(request):
    return attempt("sched_setaffinity", request["broker"], 0, 0)
