# expect: timeout|error|violation|ok
"""A lock shared with whoever maps the same memory: nobody does."""


def hook(request):
    word = ctypes.c_int(0)
    return attempt("futex", ctypes.byref(word), 1, 100, 0, 0, 0)
