# expect: violation
"""Another root directory: the way out of an earlier one."""


def hook(request):
    return attempt("chroot", b"/nowhere")
