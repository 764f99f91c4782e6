# expect: violation
"""kill(2) at the zygote; signal 0 only asks whether it could."""


def hook(request):
    return attempt("kill", request["zygote"], 0)
