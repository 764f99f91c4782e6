# expect: violation
"""The root directory swapped."""


def hook(request):
    return attempt("pivot_root", b"/nowhere", b"/nowhere")
