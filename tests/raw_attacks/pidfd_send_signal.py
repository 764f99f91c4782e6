# expect: violation
"""pidfd_send_signal(2) on any descriptor."""


def hook(request):
    return attempt("pidfd_send_signal", 3, 0, 0, 0)
