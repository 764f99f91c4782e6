# expect: error|violation
"""The same at a function's start: outside of its trampoline the kernel only says so."""


def hook(request):
    told = attempt("uprobe")
    if told.endswith("ENXIO"):
        raise PermissionError(told)
    return told
