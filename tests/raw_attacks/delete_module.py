# expect: violation
"""A kernel module removed."""


def hook(request):
    return attempt("delete_module", b"hookd_nowhere", 0)
