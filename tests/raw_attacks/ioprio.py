# expect: error
"""Real-time disk access."""


def hook(request):
    return attempt("ioprio_set", 1, 0, 1 << 13)
