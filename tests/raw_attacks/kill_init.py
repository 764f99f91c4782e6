# expect: violation
"""kill(2) at the first process; signal 0 only asks whether it could."""


def hook(request):
    return attempt("kill", 1, 0)
