# expect: violation
"""More groups."""


def hook(request):
    groups = (ctypes.c_int * 1)(0)
    return attempt("setgroups", 1, groups)
