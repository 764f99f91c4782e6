# expect: violation
"""tkill(2) at the zygote."""


def hook(request):
    return attempt("tkill", request["zygote"], 0)
