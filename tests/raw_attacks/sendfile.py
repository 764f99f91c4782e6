# expect: violation
"""Copying between descriptors inside the kernel."""


def hook(request):
    return attempt("sendfile", 3, 0, 0, 16)
