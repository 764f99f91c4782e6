# expect: error
"""The broker's priority, asked for."""


def hook(request):
    return attempt("getpriority", 0, request["broker"])
