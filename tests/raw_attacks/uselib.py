# expect: violation
"""A library mapped by the kernel."""


def hook(request):
    return attempt("uselib", b"/nowhere")
