# expect: error
"""Living on when the zygote dies."""


def hook(request):
    return attempt("prctl", 1, 0, 0, 0, 0)
