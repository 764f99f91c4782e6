# expect: violation
"""A handle on the broker, to signal it or take its descriptors."""


def hook(request):
    return attempt("pidfd_open", request["broker"], 0)
