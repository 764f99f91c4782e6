# expect: violation
"""A program inside the kernel."""


def hook(request):
    return attempt("bpf", 0, 0, 0)
