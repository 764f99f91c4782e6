# expect: violation
"""kill(2) at the broker; signal 0 only asks whether it could."""


def hook(request):
    return attempt("kill", request["broker"], 0)
