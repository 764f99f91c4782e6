# expect: crash|error|violation
"""The kernel's own tracing, which it passes by every filter: outside of its trampoline it ends the worker."""


def hook(request):
    return attempt("uretprobe")
