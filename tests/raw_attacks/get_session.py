# expect: error
"""The session of the broker."""


def hook(request):
    return attempt("getsid", request["broker"])
