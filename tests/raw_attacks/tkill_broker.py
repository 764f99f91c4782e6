# expect: violation
"""tkill(2) at the broker."""


def hook(request):
    return attempt("tkill", request["broker"], 0)
