# expect: error
"""All memory kept from being swapped."""


def hook(request):
    return attempt("mlockall", 7)
