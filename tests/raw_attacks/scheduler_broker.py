# expect: error
"""The broker's scheduling."""


def hook(request):
    return attempt("sched_setparam", request["broker"], 0)
