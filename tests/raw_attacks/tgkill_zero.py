# expect: violation
"""tgkill(2) with no group, as tkill(2) is inside."""


def hook(request):
    return attempt("tgkill", -1, request["zygote"], 0)
