# expect: error
"""A counter as a descriptor."""


def hook(request):
    return attempt("eventfd2", 0, 0)
