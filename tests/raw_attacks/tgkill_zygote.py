# expect: violation
"""tgkill(2), which an allow-list for abort(3) lets through, at the zygote."""


def hook(request):
    return attempt("tgkill", request["zygote"], request["zygote"], 0)
