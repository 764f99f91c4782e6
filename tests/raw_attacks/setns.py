# expect: violation
"""The namespaces of another process."""


def hook(request):
    return attempt("setns", 0, 0)
