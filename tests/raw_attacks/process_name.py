# expect: error
"""Another name in the process list."""


def hook(request):
    return attempt("prctl", 15, b"sshd", 0, 0, 0)
