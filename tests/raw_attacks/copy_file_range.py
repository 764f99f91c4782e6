# expect: violation
"""The same by copy_file_range(2)."""


def hook(request):
    return attempt("copy_file_range", 0, 0, 3, 0, 16, 0)
