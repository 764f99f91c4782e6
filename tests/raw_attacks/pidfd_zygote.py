# expect: violation
"""A handle on the zygote, to signal it or take its descriptors."""


def hook(request):
    return attempt("pidfd_open", request["zygote"], 0)
