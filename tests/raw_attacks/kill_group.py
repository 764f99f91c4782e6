# expect: violation
"""kill(2) at the process group; signal 0 only asks whether it could."""


def hook(request):
    return attempt("kill", 0, 0)
