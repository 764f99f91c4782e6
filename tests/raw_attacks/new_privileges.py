# expect: error
"""no_new_privs taken back."""


def hook(request):
    told = attempt("prctl", 38, 0, 0, 0, 0)
    if told.endswith("EINVAL"):
        raise PermissionError(told)
    return told
