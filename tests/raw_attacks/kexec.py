# expect: violation
"""Another kernel."""


def hook(request):
    return attempt("kexec_load", 0, 0, 0, 0xFFFF)
