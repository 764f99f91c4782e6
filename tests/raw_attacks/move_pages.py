# expect: violation
"""Memory moved between nodes."""


def hook(request):
    return attempt("move_pages", request["broker"], 0, 0, 0, 0, 0)
