# expect: error
"""The filter taken off."""


def hook(request):
    told = attempt("prctl", 22, 0, 0, 0, 0)
    if told.endswith("EINVAL"):
        raise PermissionError(told)
    return told
