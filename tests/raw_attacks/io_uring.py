# expect: violation
"""A second way to every system call."""


def hook(request):
    return attempt("io_uring_setup", 8, ctypes.create_string_buffer(120))
