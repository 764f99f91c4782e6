# expect: violation
"""tgkill(2), which an allow-list for abort(3) lets through, at the broker."""


def hook(request):
    return attempt("tgkill", request["broker"], request["broker"], 0)
