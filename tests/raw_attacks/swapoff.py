# expect: violation
"""Swap space taken away."""


def hook(request):
    return attempt("swapoff", b"/nowhere")
