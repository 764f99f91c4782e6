# expect: violation
"""The broker traced."""


def hook(request):
    return attempt("ptrace", 0x4206, request["broker"], 0, 0)
