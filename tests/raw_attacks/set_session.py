# expect: error
"""A session of its own, out of the service's group."""


def hook(request):
    return attempt("setsid")
